// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/settings"
)

type controllerView struct {
	v1alpha1.Controller
	Offices []string
}

type processorView struct {
	settings.Processor
	AlsoIn string
}

type ruleView struct{ Category, After, Action string }

// noticeBody is the privacy notice in words; every fact in it comes from the plan (D1, D2, A12, A16, B8).
type noticeBody struct {
	settings.Notice
	Day, Law    string
	Several     bool
	Responsible []controllerView
	Services    []serviceBasis
	Consents    []serviceBasis
	HandledBy   []processorView
	Periods     []ruleView
	BackupTime  string
	Ceiling     string
	RightsLead  string
	Rights      []string
}

// serviceBasis is a service with the legal basis, or the text of a consent, that is its own.
type serviceBasis struct{ Title, Basis string }

func (s *Site) privacy(w http.ResponseWriter, r *request) error {
	w.Header().Set("Cache-Control", "no-cache")
	return s.render(w, r, http.StatusOK, "privacy", view{title: "notice.title", path: "/privacy", Body: newNotice(r.snapshot, r.locale)})
}

func newNotice(snapshot *booking.Snapshot, words *locale.Locale) noticeBody {
	notice := snapshot.Notice
	body := noticeBody{Notice: notice, Day: words.Day(notice.Date), Several: len(notice.Controllers) > 1,
		Law: strings.ReplaceAll(notice.Regime, "GDPR", words.Say("regime.gdpr")), BackupTime: words.Period(notice.BackupPeriod)}
	for _, controller := range notice.Controllers {
		entry := controllerView{Controller: controller}
		for _, office := range snapshot.Catalogue.Offices {
			if office.Controller == controller.Name {
				entry.Offices = append(entry.Offices, office.DisplayName)
			}
		}
		body.Responsible = append(body.Responsible, entry)
	}
	for _, service := range snapshot.Catalogue.Services {
		if service.LegalBasis != "" {
			body.Services = append(body.Services, serviceBasis{service.Title(words.Tag), service.LegalBasis})
		}
	}
	for _, processor := range notice.Processors {
		body.HandledBy = append(body.HandledBy, processorView{processor, countries(words, processor.AlsoProcessesIn)})
	}
	for _, service := range snapshot.Catalogue.Services {
		for _, consent := range service.AsksConsent(v1alpha1.ChannelOnSite, words.Tag) {
			body.Consents = append(body.Consents, serviceBasis{service.Title(words.Tag), consent.Text})
		}
	}
	for _, rule := range notice.Rules {
		body.Periods = append(body.Periods, ruleView{words.Or("category."+string(rule.Category), string(rule.Category)),
			words.Say("after."+string(rule.StartEvent), "period", words.Period(rule.Period)), actionOf(rule, words)})
	}
	body.Ceiling = ceiling(snapshot, words)
	body.RightsLead, body.Rights = rights(notice.Regime, body.Law, words)
	if len(body.Consents) > 0 {
		body.Rights = append(body.Rights, words.Say("rights.withdraw"))
	}
	return body
}

// actionOf says what becomes of a record; what an archive keeps, until when and by what law (T8).
func actionOf(rule settings.Rule, words *locale.Locale) string {
	if rule.ArchivePeriod == "" {
		return words.Say("action." + string(rule.Action))
	}
	return words.Say("action.Archive", "until", words.Say("after."+string(rule.StartEvent), "period", words.Period(rule.ArchivePeriod)), "basis", rule.ArchiveBasis)
}

func countries(words *locale.Locale, codes []v1alpha1.CountryCode) string {
	var names []string
	for _, code := range codes {
		names = append(names, words.Country(code))
	}
	return strings.Join(names, ", ")
}

// ceiling adds live period and backup period: what counts for a citizen is when the last copy is gone (B1).
func ceiling(snapshot *booking.Snapshot, words *locale.Locale) string {
	live, err := booking.PeriodOf(snapshot.Instance, v1alpha1.CategoryContact).Duration()
	if err != nil {
		return ""
	}
	backup, err := snapshot.Notice.BackupPeriod.Duration()
	if err != nil {
		return ""
	}
	return words.Period(v1alpha1.FormatPeriod(live + backup))
}

// rights depend on the law the policy names; cantonal law is not assumed to be the GDPR (B8).
func rights(regime, law string, words *locale.Locale) (lead string, list []string) {
	keys := []string{"rights.other.access", "rights.other.rectify", "rights.other.erase", "rights.other.block"}
	lead = words.Say("rights.other.lead", "regime", law)
	if upper := strings.ToUpper(regime); strings.Contains(upper, "GDPR") || strings.Contains(upper, "DSGVO") {
		keys = []string{"rights.gdpr.15", "rights.gdpr.16", "rights.gdpr.17", "rights.gdpr.18", "rights.gdpr.20", "rights.gdpr.21"}
		lead = words.Say("rights.gdpr.lead")
	}
	for _, key := range keys {
		list = append(list, words.Say(key))
	}
	return lead, list
}

func (s *Site) noticeDocument(w http.ResponseWriter, _ *http.Request) {
	snapshot := s.Snapshot()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_ = json.NewEncoder(w).Encode(settings.NoticeDocument{PlanHash: snapshot.PlanHash, Notice: snapshot.Notice})
}
