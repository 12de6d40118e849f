// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// caseReference is a number in the authority's files, never a name.
var caseReference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9./_-]{2,39}$`)

// auditObject is what the audit log calls a record.
var auditObject = regexp.MustCompile(`^[a-zA-Z0-9/._@+ :|-]{1,400}$`)

const (
	kindAbuse       = "AbuseCase"
	kindRestriction = "Restriction"
	maxDays         = 366
	entriesPerPage  = 100
)

type casesBody struct {
	Cases []caseRow
	// Reference, Kind, What and Days as they were entered; What is a code, an address is not shown again.
	Reference, Kind, Days string
}

type caseRow struct {
	store.KeptCase
	OpenedOn, EndsOn string
}

func (d *Desk) cases(w http.ResponseWriter, r *request) error {
	return d.casesPage(w, r, http.StatusOK, casesBody{Kind: kindAbuse}, "", nil)
}

func (d *Desk) casesPage(w http.ResponseWriter, r *request, status int, body casesBody, notice string, faults []fault) error {
	cases, err := d.Store.Cases(r.Context())
	if err != nil {
		return err
	}
	for _, kept := range cases {
		body.Cases = append(body.Cases, caseRow{kept, r.locale.Day(kept.Opened.UTC().Format(time.DateOnly)), r.locale.Day(kept.Until.UTC().Format(time.DateOnly))})
	}
	return d.render(w, r, status, "cases", page{Title: r.locale.Say("staff.cases"), Notice: notice, Faults: faults, Body: body})
}

// openCase keeps what one code or one address leads to past its period: for a single abuse case with a reference (A3),
// or because a citizen asked for restriction (Art. 18 GDPR).
func (d *Desk) openCase(w http.ResponseWriter, r *request) error {
	form := r.PostForm
	body := casesBody{Reference: form.Get("reference"), Kind: form.Get("kind"), Days: form.Get("days")}
	var faults []fault
	refuse := func(field, key string) { faults = append(faults, fault{field, r.locale.Say(key)}) }
	if !caseReference.MatchString(body.Reference) {
		body.Reference = ""
		refuse("reference", "staff.reference_invalid")
	}
	days, err := strconv.Atoi(body.Days)
	if err != nil || days < 1 || days > maxDays {
		body.Days = ""
		refuse("days", "staff.days_invalid")
	}
	if body.Kind != kindAbuse && body.Kind != kindRestriction {
		return d.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	what, err := d.kept(r, form.Get("what"))
	if notThere(err) {
		refuse("what", "staff.what_unknown")
	} else if err != nil {
		return err
	}
	if len(faults) > 0 {
		return d.casesPage(w, r, http.StatusUnprocessableEntity, body, "", faults)
	}
	_, err = d.Store.OpenCase(r.Context(), r.who, body.Kind, body.Reference, what, d.Clock().AddDate(0, 0, days))
	if errors.Is(err, store.ErrRefused) {
		return d.casesPage(w, r, http.StatusUnprocessableEntity, body, "", []fault{{"days", r.locale.Say("staff.case_refused")}})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/staff/cases", http.StatusSeeOther)
	return nil
}

// kept gives the appointment of a code, or the address itself, or ErrNotFound.
func (d *Desk) kept(r *request, text string) (string, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Unmap().WithZone("").String(), nil
	}
	prefix, ok := booking.ParseCode(text)
	if !ok {
		return "", store.ErrNotFound
	}
	return d.Store.Search(r.Context(), r.who, prefix)
}

func (d *Desk) endCase(w http.ResponseWriter, r *request) error {
	kind, reference := r.PostForm.Get("kind"), r.PostForm.Get("reference")
	if (kind != kindAbuse && kind != kindRestriction) || !caseReference.MatchString(reference) {
		return d.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	if _, err := d.Store.EndCase(r.Context(), r.who, kind, reference); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/staff/cases", http.StatusSeeOther)
	return nil
}

type auditBody struct {
	Entries []store.Entry
	Object  string
	Older   string
}

// audit shows who did what to which record; names of citizens are not in it.
func (d *Desk) audit(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	var before store.Entry
	if at, err := time.Parse(time.RFC3339Nano, query.Get("at")); err == nil {
		before.At = at
		before.ID, _ = strconv.ParseInt(query.Get("before"), 10, 64)
	}
	body := auditBody{Object: query.Get("object")}
	if !auditObject.MatchString(body.Object) {
		body.Object = ""
	}
	entries, err := d.Store.Entries(r.Context(), r.who, before, body.Object, entriesPerPage)
	if err != nil {
		return err
	}
	body.Entries = entries
	if len(entries) == entriesPerPage {
		last := entries[len(entries)-1]
		body.Older = "/staff/audit?" + url.Values{"before": {strconv.FormatInt(last.ID, 10)}, "at": {last.At.UTC().Format(time.RFC3339Nano)}, "object": {body.Object}}.Encode()
	}
	return d.render(w, r, http.StatusOK, "audit", page{Title: r.locale.Say("staff.audit"), Body: body})
}

func (d *Desk) sessions(w http.ResponseWriter, r *request) error {
	sessions, err := d.Store.Sessions(r.Context())
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "sessions", page{Title: r.locale.Say("staff.sessions"), Body: sessions})
}

func (d *Desk) endSessions(w http.ResponseWriter, r *request) error {
	subject := r.PostForm.Get("subject")
	if !plain(subject) {
		return d.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	if err := d.Store.EndSessionsOf(r.Context(), r.who, subject); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/staff/sessions", http.StatusSeeOther)
	return nil
}
