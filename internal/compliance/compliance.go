// SPDX-License-Identifier: Apache-2.0

// Package compliance turns evidence into verdicts. Every function is pure: plan, evidence and now go in, a finding
// comes out. A verdict is never better than its evidence: what is missing, stale or failed is Unknown (invariant 7).
package compliance

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Sample is one measurement: what was seen, when, or why nothing was.
type Sample[T any] struct {
	Value T
	// At is the time of the measurement; zero when there was none.
	At time.Time
	// Err is set when the last measurement failed; At is then the time of the failure.
	Err error
}

// Evidence is all that was measured of one tenant.
type Evidence struct {
	Placements Sample[[]Placement]
	// Wall is the trial of the region's admission policies.
	Wall Sample[Wall]
	// Endpoints are the database server and the stores, by what processors call them.
	Endpoints map[string]Sample[Endpoint]
	// Site is the certificate in the Secret the Ingress names for the site's hosts; nobody looks where there is no host.
	Site      Sample[Endpoint]
	Retention Sample[Retention]
	// Stores by name.
	Stores map[string]Sample[Store]
	// Egress is what the instances found of their network; nil where the operator does not ask them.
	Egress *Sample[Egress]
	// Orphans are the appointments the catalogue has no room for; nil where the operator does not ask instances.
	Orphans *Sample[Orphans]
	// Front is where the pods of the region's ingress run; empty when none runs in this cluster.
	Front Sample[[]Placement]
	// Server is where the pods of the tenant's database server run, when it is a CloudNativePG Cluster.
	Server Sample[[]Placement]
	// Notice the site publishes; nil where the operator does not read it, and so nothing is claimed of it.
	Notice *Sample[Notice]
}

// Wall is what came of trying to bind a pod by hand, in the region's platform namespace, without ever doing so.
type Wall struct {
	// Open says what was not refused; empty when everything was.
	Open string
	// Untried says what of the wall could not be tried, and so is not known.
	Untried string
}

// Placement is one object, pod or job of the tenant and where it runs or may run.
type Placement struct {
	// What the object is, such as "Pod basel/site-booking-1".
	What string
	// Bound tells whether the object requires the region's nodes.
	Bound bool
	// Node it runs on; empty while it runs nowhere.
	Node string
	// NodeValue is the value of the region's label on the node, empty when it has none.
	NodeValue string
}

// Retention is the audit of the tenant's schema.
type Retention struct {
	LastPurge  *time.Time
	Categories []Category
	// Unmapped are the columns no category covers, as table.column (M3).
	Unmapped []string
	// Runs are the last purges, newest first.
	Runs []Run
	// Erasures that wait for a store; nil while the database does not count them.
	Erasures *Erasures
	// RestoreTest is the last restore of a backup on trial, nil before the first.
	RestoreTest *RestoreTest
	// ScratchLeft tells that a killed trial left a copy of the data in its scratch schema.
	ScratchLeft bool
}

// Erasures on request are carried out once a store has their journal.
type Erasures struct {
	// Waiting ones, and those of them that wait for longer than the newest backup may be old.
	Waiting, Overdue int64
	// Oldest is when the first of them was asked for; nil when none waits.
	Oldest *time.Time
}

// RestoreTest is a restore of a backup into a scratch schema, compared with what the backup was taken from.
type RestoreTest struct {
	// TestedAt is when the last one was, Differing how many tables were not equal.
	TestedAt  time.Time
	Differing int32
	// ProvenAt is when all tables last were equal, nil when they never were; the others tell of that time.
	ProvenAt, SnapshotStart *time.Time
	Tables                  int32
	Rows                    int64
}

// Run is one purge over all categories; FinishedAt is nil while something due was left.
type Run struct {
	StartedAt  time.Time
	FinishedAt *time.Time
	Removed    int64
}

// Category is the audit of one category.
type Category struct {
	Category v1alpha1.Category
	// Period and Action the database enforces; a zero period means it has no rule.
	Period  time.Duration
	Action  v1alpha1.Action
	Rows    int64
	Overdue int64
	// Oldest start event among the rows.
	Oldest  *time.Time
	Removed int64
	// Held is the number of holds on records of the category.
	Held int64
	// LastRun is when the last purge finished, NextDue the earliest moment a record can fall due, Since when the rule
	// came into force; SuspendedUntil is set while deletion is paused. All of them may be nil.
	LastRun, NextDue, Since, SuspendedUntil *time.Time
	// Archived is nil where no rule hands over.
	Archived *Archived
}

// Archived is what became of a category whose rule hands over.
type Archived struct {
	// Period the database has the archives keep records for; zero means that the rule is gone.
	Period time.Duration
	// Records the archives hold, by their receipts; At is when the last came there, Until when the last may go.
	Records   int64
	At, Until *time.Time
	// Failure of the last record that was not handed over: the archive's name and a class; empty when none failed.
	Failure string
}

// Store is the listing of the tenant's prefix at one store.
type Store struct {
	// Backups that can be read, by snapshot start, newest first.
	Backups []time.Time
	// OldestVersion is the snapshot start of the oldest version, readable or not.
	OldestVersion *time.Time
	// Newest is what a closer look at the newest backup showed.
	Newest Sample[Copy]
}

// Copy is one backup at one store, looked at by itself.
type Copy struct {
	// Snapshot start of the backup.
	Snapshot time.Time
	// LockMode as the store names it, COMPLIANCE or GOVERNANCE; empty when it shows no lock.
	LockMode    string
	LockedUntil time.Time
	// Shown is what the manifest says of the backup being restorable; nil when it says nothing.
	Shown *Shown
}

// Shown is how, when and at which store a backup was shown to be restorable.
type Shown struct {
	Proof  v1alpha1.RestoreProof
	At     time.Time
	Store  string
	Tables int
}

// Finding is one verdict.
type Finding struct {
	Type    string
	Status  metav1.ConditionStatus
	Reason  string
	Message string
	// ValidUntil is when the evidence behind the finding goes stale.
	ValidUntil time.Time
	// Violations behind a finding of False that are incidents of their own.
	Violations []Violation
	// Advisory findings are shown beside Compliant, which does not depend on them.
	Advisory bool
	// Unsure is set when a part of the claim is unknown, so that what is not complained of is not seen mended either.
	Unsure bool
}

// Violation is one breach, named so that it can be told from others and found healed.
type Violation struct{ What, Where, Reason, Message string }

// Clock is the time of judging and how old evidence may be.
type Clock struct {
	Now            time.Time
	MaxEvidenceAge time.Duration
}

// claim judges one promise.
type claim func(*plan.Plan, *Evidence, Clock) Finding

var claims = []claim{residency, processors, transport, retention, backups}

// Judge gives a finding for every claim, and Compliant, their summary, last.
func Judge(p *plan.Plan, e *Evidence, clock Clock) []Finding {
	findings := make([]Finding, 0, len(claims)+1)
	for _, c := range claims {
		findings = append(findings, c(p, e, clock))
	}
	if e.Egress != nil || p.Region.EgressRequired {
		findings = append(findings, egress(p, e, clock))
	}
	if e.Notice != nil {
		findings = append(findings, notice(p, e, clock))
	}
	if e.Orphans != nil {
		findings = append(findings, covered(p, e, clock))
	}
	return append(findings, summarize(findings))
}

// claimTypes are the conditions that rest on evidence.
var claimTypes = []string{
	v1alpha1.ConditionResidencyEnforced, v1alpha1.ConditionProcessorsPermitted, v1alpha1.ConditionTransportEncrypted, v1alpha1.ConditionRetentionEnforced,
	v1alpha1.ConditionBackupsCurrent, v1alpha1.ConditionEgressRestricted, v1alpha1.ConditionNoticeConsistent, v1alpha1.ConditionAppointmentsCovered,
}

// Expire gives the findings of a tenant nobody has evidence of any longer.
func Expire(why string) []Finding {
	findings := make([]Finding, 0, len(claimTypes)+1)
	for _, t := range claimTypes {
		findings = append(findings, Finding{Type: t, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonEvidenceStale, Message: why, Unsure: true})
	}
	return append(findings, summarize(findings))
}

// summarize is False when one finding is False, else Unknown when one is Unknown, else True. It stands as long as the
// first of the findings that rest on evidence: an Unknown without any has nothing that could run out.
func summarize(findings []Finding) Finding {
	summary := Finding{
		Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonAllClaimsHold, Message: "every claim is supported by fresh evidence",
	}
	var failed, unknown []string
	for _, f := range findings {
		if !f.ValidUntil.IsZero() {
			summary.support(f.ValidUntil)
		}
		if f.Advisory {
			continue
		}
		line := f.Type + ": " + f.Message
		switch f.Status {
		case metav1.ConditionTrue:
		case metav1.ConditionFalse:
			failed = append(failed, line)
		default:
			unknown = append(unknown, line)
		}
	}
	switch {
	case len(failed) > 0:
		summary.Status, summary.Reason, summary.Message = metav1.ConditionFalse, v1alpha1.ReasonClaimFailed, strings.Join(failed, "; ")
	case len(unknown) > 0 || len(findings) == 0:
		summary.Status, summary.Reason, summary.Message = metav1.ConditionUnknown, v1alpha1.ReasonClaimUnknown, strings.Join(unknown, "; ")
	}
	return summary
}

// fresh tells whether a sample can support a verdict; if not, the finding says why.
func fresh[T any](s Sample[T], what string, f *Finding, clock Clock) bool {
	switch {
	case s.Err != nil:
		f.Reason, f.Message = v1alpha1.ReasonMeasurementFailed, fmt.Sprintf("%s could not be measured: %v", what, s.Err)
	case s.At.IsZero():
		f.Reason, f.Message = v1alpha1.ReasonNoEvidence, what+" has not been measured yet"
	case s.At.Sub(clock.Now) > clock.MaxEvidenceAge:
		// Evidence from the future would never grow old.
		f.Reason, f.Message = v1alpha1.ReasonEvidenceStale, fmt.Sprintf("%s was measured at %s, which lies in the future: set the clocks right", what, stamp(s.At))
	case clock.Now.Sub(s.At) > clock.MaxEvidenceAge:
		f.Reason, f.Message = v1alpha1.ReasonEvidenceStale, fmt.Sprintf("%s was last measured at %s, which is too long ago", what, stamp(s.At))
	default:
		f.support(s.At.Add(clock.MaxEvidenceAge))
		return true
	}
	f.Status = metav1.ConditionUnknown
	return false
}

// join makes one finding of the parts of a claim: False when one is, else Unknown when one is, else True. It stands as
// long as the first of its parts.
func join(kind string, parts ...Finding) Finding {
	joined := Finding{Type: kind, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMeasured}
	rank := map[metav1.ConditionStatus]int{metav1.ConditionTrue: 0, metav1.ConditionUnknown: 1, metav1.ConditionFalse: 2}
	var messages []string
	for _, part := range parts {
		if !part.ValidUntil.IsZero() {
			joined.support(part.ValidUntil)
		}
		joined.Unsure = joined.Unsure || part.Status != metav1.ConditionTrue && part.Status != metav1.ConditionFalse
		joined.Violations = append(joined.Violations, part.Violations...)
		if rank[part.Status] > rank[joined.Status] {
			joined.Status, joined.Reason, messages = part.Status, part.Reason, nil
		}
		if part.Status == joined.Status && part.Message != "" {
			messages = append(messages, part.Message)
		}
	}
	joined.Message = strings.Join(messages, "; ")
	return joined
}

// violate fails the finding and keeps the breach.
func (f *Finding) violate(what, where, reason, format string, args ...any) {
	f.fail(reason, format, args...)
	f.Violations = append(f.Violations, Violation{what, where, reason, fmt.Sprintf(format, args...)})
}

// support narrows how long the finding stands.
func (f *Finding) support(until time.Time) {
	if f.ValidUntil.IsZero() || until.Before(f.ValidUntil) {
		f.ValidUntil = until
	}
}

// fail makes the finding False; the first failure gives the reason, all are named.
func (f *Finding) fail(reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if f.Status == metav1.ConditionFalse {
		f.Message += "; " + message
		return
	}
	f.Status, f.Reason, f.Message = metav1.ConditionFalse, reason, message
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOf is stamp of what may be missing.
func stampOf(t *time.Time) string {
	if t == nil {
		return "a time unknown"
	}
	return stamp(*t)
}
