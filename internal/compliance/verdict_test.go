// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

func TestCompliantIsTrueWhenEveryClaimIs(t *testing.T) {
	findings := compliance.Judge(baselPlan(), soundEvidence(), clock)
	if len(findings) != 9 {
		t.Fatalf("there are %d findings, want eight claims and their summary", len(findings))
	}
	for _, f := range findings {
		if f.Status != metav1.ConditionTrue {
			t.Errorf("%s is %s: %s", f.Type, f.Status, f.Message)
		}
	}
	summary := findings[8]
	// The stores were listed three minutes ago; everything else is younger.
	if want := ago(3 * time.Minute).Add(clock.MaxEvidenceAge); summary.Reason != v1alpha1.ReasonAllClaimsHold || !summary.ValidUntil.Equal(want) {
		t.Errorf("the summary is %s until %s, want it until %s", summary.Reason, summary.ValidUntil, want)
	}
}

func TestCompliantIsFalseRatherThanUnknown(t *testing.T) {
	e := soundEvidence()
	category(e, v1alpha1.CategoryContact).Overdue = 1
	e.Placements.Err = errors.New("no answer")
	summary := find(t, compliance.Judge(baselPlan(), e, clock), v1alpha1.ConditionCompliant)
	if summary.Status != metav1.ConditionFalse || summary.Reason != v1alpha1.ReasonClaimFailed {
		t.Errorf("one claim failed and another is unknown; the summary is %s because of %s", summary.Status, summary.Reason)
	}
	if want := "RetentionEnforced: Contact: 1 overdue"; summary.Message != want {
		t.Errorf("the summary says %q, want %q", summary.Message, want)
	}
	if summary.ValidUntil.IsZero() {
		t.Error("a failure that was measured stands for no time at all, because something else was not measured")
	}
}

func TestExpireLeavesNothingStanding(t *testing.T) {
	judged := compliance.Judge(baselPlan(), soundEvidence(), clock)
	expired := compliance.Expire("nobody looked")
	if len(expired) != len(judged) {
		t.Fatalf("%d verdicts expire, but %d are judged", len(expired), len(judged))
	}
	for i, f := range expired {
		if f.Type != judged[i].Type {
			t.Errorf("verdict %d is %s when judged and %s when expired", i, judged[i].Type, f.Type)
		}
		if f.Status != metav1.ConditionUnknown || !f.ValidUntil.IsZero() || !strings.Contains(f.Message, "nobody looked") {
			t.Errorf("the expired verdict is %+v", f)
		}
	}
}

// The ways one measurement can be, and whether it can support a verdict.
const (
	measuredNow = iota
	measuredAtTheLimit
	measuredTooLongAgo
	measuredInTheFuture
	neverMeasured
	measurementFailed
	failedAfterSuccess
	conditions
)

// in puts a sample into one of those conditions; it is usable only in the first two.
func in[T any](s compliance.Sample[T], condition uint8) (sample compliance.Sample[T], usable bool) {
	switch condition % conditions {
	case measuredNow:
		s.At = now
	case measuredAtTheLimit:
		s.At = ago(clock.MaxEvidenceAge)
	case measuredTooLongAgo:
		s.At = ago(clock.MaxEvidenceAge + time.Second)
	case measuredInTheFuture:
		s.At = ago(-clock.MaxEvidenceAge - time.Second)
	case neverMeasured:
		s = compliance.Sample[T]{}
	case measurementFailed:
		s = compliance.Sample[T]{At: now, Err: errors.New("no answer")}
	case failedAfterSuccess:
		s.At, s.Err = now, errors.New("no answer")
	}
	return s, condition%conditions <= measuredAtTheLimit
}

// expectNoBetterThanEvidence is invariant 7 for evidence in the given conditions: placements, retention, one per
// store, the trial of the wall, and one endpoint after the other. Nothing that lacks support is True, and nothing stands longer than the oldest evidence behind it.
func expectNoBetterThanEvidence(t *testing.T, e *compliance.Evidence, states [6]uint8) {
	t.Helper()
	supported := map[string]bool{v1alpha1.ConditionBackupsCurrent: true}
	e.Placements, supported[v1alpha1.ConditionResidencyEnforced] = in(e.Placements, states[0])
	e.Retention, supported[v1alpha1.ConditionRetentionEnforced] = in(e.Retention, states[1])
	wall, standing := in(e.Wall, states[5])
	e.Wall = wall
	supported[v1alpha1.ConditionResidencyEnforced] = supported[v1alpha1.ConditionResidencyEnforced] && standing
	oldest := map[string]time.Time{v1alpha1.ConditionResidencyEnforced: e.Placements.At, v1alpha1.ConditionRetentionEnforced: e.Retention.At}
	// The published notice walks with the sum of the others, so that each of its conditions meets each of theirs.
	published, read := in(*e.Notice, states[0]+states[1]+states[2])
	e.Notice, supported[v1alpha1.ConditionNoticeConsistent], oldest[v1alpha1.ConditionNoticeConsistent] = &published, read, published.At
	// So do the trials of the network, out of step.
	tried, answered := in(*e.Egress, states[1]+states[2]+states[3])
	e.Egress, supported[v1alpha1.ConditionEgressRestricted], oldest[v1alpha1.ConditionEgressRestricted] = &tried, answered, tried.At
	if wall.At.Before(oldest[v1alpha1.ConditionResidencyEnforced]) {
		oldest[v1alpha1.ConditionResidencyEnforced] = wall.At
	}
	// One endpoint walks with two others, so that each is once in each condition.
	p := baselPlan()
	uses := compliance.Endpoints(p)
	where := uses[int(states[3])%len(uses)].Where
	met, usable := in(e.Endpoints[where], states[2]+states[4])
	e.Endpoints[where] = met
	// The site's certificate walks with yet another sum.
	site, shown := in(e.Site, states[0]+states[3]+states[5])
	e.Site, oldest[v1alpha1.ConditionTransportEncrypted] = site, site.At
	supported[v1alpha1.ConditionTransportEncrypted] = usable && shown
	supported[v1alpha1.ConditionResidencyEnforced] = supported[v1alpha1.ConditionResidencyEnforced] && usable
	for _, use := range uses {
		for _, claim := range []string{v1alpha1.ConditionResidencyEnforced, v1alpha1.ConditionTransportEncrypted} {
			if at := e.Endpoints[use.Where].At; oldest[claim].IsZero() || at.Before(oldest[claim]) {
				oldest[claim] = at
			}
		}
	}
	// What is declared does not grow old.
	supported[v1alpha1.ConditionProcessorsPermitted], oldest[v1alpha1.ConditionProcessorsPermitted] = true, now
	for i, store := range p.Backup.Stores {
		sample, usable := in(e.Stores[store.Name], states[2+i])
		e.Stores[store.Name] = sample
		supported[v1alpha1.ConditionBackupsCurrent] = supported[v1alpha1.ConditionBackupsCurrent] && usable
		if last, seen := oldest[v1alpha1.ConditionBackupsCurrent]; !seen || sample.At.Before(last) {
			oldest[v1alpha1.ConditionBackupsCurrent] = sample.At
		}
	}
	supported[v1alpha1.ConditionCompliant] = true
	for claim, at := range oldest {
		supported[v1alpha1.ConditionCompliant] = supported[v1alpha1.ConditionCompliant] && supported[claim]
		if last, seen := oldest[v1alpha1.ConditionCompliant]; claim != v1alpha1.ConditionCompliant && (!seen || at.Before(last)) {
			oldest[v1alpha1.ConditionCompliant] = at
		}
	}
	// Compliant does not depend on what the catalogue has room for; it walks with the notice, out of step.
	counted, told := in(*e.Orphans, states[0]+states[1]+states[2]+1)
	e.Orphans, supported[v1alpha1.ConditionAppointmentsCovered], oldest[v1alpha1.ConditionAppointmentsCovered] = &counted, told, counted.At
	findings := compliance.Judge(p, e, clock)
	for _, f := range findings {
		if f.Status == metav1.ConditionTrue && !supported[f.Type] {
			t.Errorf("%s is True, but its evidence is in conditions %v: %s", f.Type, states, f.Message)
		}
		if f.Status == metav1.ConditionTrue && f.ValidUntil.After(oldest[f.Type].Add(clock.MaxEvidenceAge)) {
			t.Errorf("%s stands until %s, longer than its evidence of %s", f.Type, f.ValidUntil, oldest[f.Type])
		}
		if f.ValidUntil.After(now.Add(clock.MaxEvidenceAge)) {
			t.Errorf("%s stands until %s, longer than anything measured by now", f.Type, f.ValidUntil)
		}
		if f.Status == "" || f.Reason == "" || f.Message == "" {
			t.Errorf("a verdict lacks its status, reason or message: %+v", f)
		}
	}
	expectSummary(t, findings)
}

func TestNoVerdictIsBetterThanItsEvidence(t *testing.T) {
	var states [6]uint8
	for n := 0; ; n++ {
		expectNoBetterThanEvidence(t, soundEvidence(), states)
		if t.Failed() {
			return
		}
		i := 0
		for ; i < len(states); i++ {
			if states[i]++; states[i] < conditions {
				break
			}
			states[i] = 0
		}
		if i == len(states) {
			return
		}
	}
}

// FuzzVerdict spoils what was measured, too, so that the invariant holds for evidence nobody thought of.
func FuzzVerdict(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(0), uint8(0), uint8(0), int64(0), int64(0), int64(3600), true, "ch")
	f.Add(uint8(1), uint8(2), uint8(3), uint8(4), uint8(5), int64(1), int64(60), int64(-3600), false, "")
	f.Add(uint8(0), uint8(0), uint8(1), uint8(0), uint8(6), int64(-1), int64(1<<40), int64(1<<40), true, "de")
	f.Fuzz(func(t *testing.T, a, b, c, d, g uint8, overdue, period, age int64, bound bool, value string) {
		e := soundEvidence()
		e.Placements.Value[1].Bound, e.Placements.Value[1].NodeValue = bound, value
		contact := category(e, v1alpha1.CategoryContact)
		contact.Overdue += overdue
		contact.Period += time.Duration(period)
		setBackups(e, "zug", time.Duration(age%(1<<32))*time.Second)
		expectNoBetterThanEvidence(t, e, [6]uint8{a, b, c, d, g, a / conditions})
		compliant := find(t, compliance.Judge(baselPlan(), e, clock), v1alpha1.ConditionCompliant)
		if wrong := overdue > 0 || period != 0 || !bound || value != "ch" && value != "li"; wrong && compliant.Status == metav1.ConditionTrue {
			t.Errorf("%d overdue, period off by %d, bound %t, on a node labelled %q, and yet Compliant", overdue, period, bound, value)
		}
	})
}
