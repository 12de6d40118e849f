// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// Document says what a notice must name and does not: a notice without a contact cannot be answered to (A16, B10), and
// a processor without name, seat or place is an unnamed third party (A12).
func Document(published *settings.NoticeDocument) []string {
	notice, faults := &published.Notice, []string{}
	need := func(value, format string, args ...any) {
		if strings.TrimSpace(value) == "" {
			faults = append(faults, fmt.Sprintf(format, args...)+" is missing")
		}
	}
	need(published.PlanHash, "the hash of the plan")
	need(notice.Date, "the date of this version (B9)")
	need(notice.Regime, "the data protection law that applies (B8)")
	need(notice.LegalBasis, "the legal basis (T2)")
	need(string(notice.Country), "the country the data is stored in (B3)")
	need(string(notice.BackupPeriod), "the period of backups")
	if len(notice.Controllers) == 0 {
		faults = append(faults, "no controller is named")
	}
	for _, c := range notice.Controllers {
		need(c.Name, "the name of a controller")
		need(string(c.Email), "controller %s: the mail address", c.Name)
		address(need, "controller "+c.Name, c.Address)
		need(string(c.DataProtectionOfficer.Email), "controller %s: the mail address of the data protection officer", c.Name)
		need(c.SupervisoryAuthority.Name, "controller %s: the supervisory authority", c.Name)
		need(c.SupervisoryAuthority.Phone, "controller %s: the phone of the supervisory authority", c.Name)
		address(need, "controller "+c.Name+", supervisory authority", c.SupervisoryAuthority.Address)
	}
	if len(notice.Processors) == 0 {
		faults = append(faults, "no processor is named: who runs the database?")
	}
	for _, p := range notice.Processors {
		need(p.Name, "%s: the name of the processor", p.Function)
		need(string(p.Seat), "%s, processor %s: the seat", p.Function, p.Name)
		need(p.Site, "%s, processor %s: the place of processing", p.Function, p.Name)
		need(string(p.Country), "%s, processor %s: the country of processing", p.Function, p.Name)
	}
	for _, category := range []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryAppointment} {
		if !slices.ContainsFunc(notice.Rules, func(r settings.Rule) bool { return r.Category == category }) {
			faults = append(faults, fmt.Sprintf("the period of category %s is missing", category))
		}
	}
	faults = append(faults, LegalBases(notice.LegalBasis)...)
	if law.MatchString(notice.LegalBasis) && !law.MatchString(notice.Regime) {
		faults = append(faults, fmt.Sprintf("the legal basis cites the GDPR, but the law that applies is said to be %s (B8)", notice.Regime))
	}
	return faults
}

func address(need func(string, string, ...any), whose string, a v1alpha1.PostalAddress) {
	need(a.Street, "%s: the street", whose)
	need(a.PostalCode, "%s: the postal code", whose)
	need(a.City, "%s: the city", whose)
}

const (
	lastArticle = 99
	lookAhead   = 60
)

var (
	law = regexp.MustCompile(`GDPR|DSGVO|RGPD|DS-GVO`)
	// citation of an article, its paragraph and letter, in the ways the five languages write it.
	citation = regexp.MustCompile(`(?i)(?:\bart(?:icle|ikel|icolo)?\.?|ст\.)\s*(\d+)(?:\s*(?:abs\.?|para?\.?|al\.|\()\s*(\d+)\)?)?(?:\s*(?:s(?:atz|\.)\s*\d+\s*)?(?:lit\.?|buchst\.?|let\.?|lett\.?|\()\s*([a-z])\b\)?)?`)
	// bases are the letters of the paragraphs that give a legal basis.
	bases = map[string]string{"6.1": "abcdef", "9.2": "abcdefghij"}
	// paragraphs of the articles bases are cited from.
	paragraphs = map[int]int{6: 4, 7: 4, 9: 4, 28: 10, 89: 4}
)

// LegalBases finds citations of the GDPR in a text that lead nowhere. Citations of other laws are left to lawyers.
func LegalBases(text string) []string {
	var faults []string
	for _, at := range citation.FindAllStringSubmatchIndex(text, -1) {
		if !law.MatchString(text[at[1]:min(len(text), at[1]+lookAhead)]) {
			continue
		}
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		article, err := strconv.Atoi(group(1))
		paragraph, _ := strconv.Atoi(group(2)) // no paragraph is 0
		letters, known := bases[group(1)+"."+group(2)]
		most, counted := paragraphs[article]
		wrong := err != nil || article < 1 || article > lastArticle ||
			counted && paragraph > most ||
			known && group(3) != "" && !strings.Contains(letters, strings.ToLower(group(3)))
		if wrong {
			faults = append(faults, fmt.Sprintf("cites %q of the GDPR, which does not exist", strings.TrimSpace(text[at[0]:at[1]])))
		}
	}
	return faults
}
