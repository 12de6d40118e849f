// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// reportEvidence shows the numbers behind the verdicts.
func reportEvidence(s *scope) {
	if s.plan == nil {
		return
	}
	status := &s.tenant.Status
	s.history = s.chronicle()
	status.Residency = residencyStatus(s)
	status.Residency.Incidents = s.history.All
	status.Evidence = evidenceItems(s)
	status.Retention = retentionStatus(s)
	status.Backup = backupStatus(s)
}

func residencyStatus(s *scope) *v1alpha1.ResidencyStatus {
	out := &v1alpha1.ResidencyStatus{MeasuredAt: timeOf(s.evidence.Placements.At), Server: s.plan.Database.Server.Name, Countries: compliance.Countries(s.plan)}
	for _, store := range s.plan.Backup.Stores {
		out.Stores = append(out.Stores, store.Name)
	}
	for _, placement := range s.evidence.Placements.Value {
		if placement.Node == "" {
			continue
		}
		i := slices.IndexFunc(out.Nodes, func(n v1alpha1.NodeEvidence) bool { return n.Name == placement.Node })
		if i < 0 {
			if len(out.Nodes) == 32 {
				continue
			}
			trusted := metav1.ConditionFalse
			if slices.Contains(s.plan.Region.NodeValues, placement.NodeValue) {
				trusted = metav1.ConditionTrue
			}
			out.Nodes = append(out.Nodes, v1alpha1.NodeEvidence{Name: placement.Node, Value: placement.NodeValue, Trusted: trusted})
			i = len(out.Nodes) - 1
		}
		out.Nodes[i].Pods++
	}
	slices.SortFunc(out.Nodes, func(a, b v1alpha1.NodeEvidence) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func backupStatus(s *scope) *v1alpha1.BackupStatus {
	out := &v1alpha1.BackupStatus{}
	copies := map[time.Time]int{}
	var oldest time.Time
	for _, store := range s.plan.Backup.Stores {
		sample := s.evidence.Stores[store.Name]
		entry := v1alpha1.BackupStoreEvidence{Name: store.Name, MeasuredAt: timeOf(sample.At), Backups: int32(len(sample.Value.Backups))}
		for _, snapshot := range sample.Value.Backups {
			copies[snapshot]++
		}
		if len(sample.Value.Backups) > 0 {
			entry.Newest = timeOf(sample.Value.Backups[0])
			reportCopy(&entry, out, sample.Value)
		}
		if v := sample.Value.OldestVersion; v != nil {
			entry.Oldest = timeOf(*v)
			if oldest.IsZero() || v.Before(oldest) {
				oldest = *v
			}
		}
		out.Stores = append(out.Stores, entry)
	}
	var last time.Time
	for snapshot, n := range copies {
		if n >= len(s.plan.Backup.Stores) && snapshot.After(last) {
			last = snapshot
		}
	}
	out.Last, out.Oldest = timeOf(last), timeOf(oldest)
	out.RestoreTest = restoreTest(s.evidence.Retention.Value.RestoreTest)
	return out
}

// restoreTest tells how restores on trial came out.
func restoreTest(test *compliance.RestoreTest) *v1alpha1.RestoreTestEvidence {
	if test == nil {
		return nil
	}
	return &v1alpha1.RestoreTestEvidence{
		At: timeAt(test.ProvenAt), Snapshot: timeAt(test.SnapshotStart), Tables: test.Tables, Rows: test.Rows, Differing: test.Differing,
	}
}

// reportCopy tells what a closer look at a store's newest backup showed. What was seen of an older one says nothing of
// its lock.
func reportCopy(entry *v1alpha1.BackupStoreEvidence, out *v1alpha1.BackupStatus, store compliance.Store) {
	look := store.Newest
	if look.Err != nil || look.At.IsZero() || !look.Value.Snapshot.Equal(store.Backups[0]) {
		return
	}
	entry.Lock, entry.LockReadAt, entry.LockedUntil = v1alpha1.LockMode(look.Value.LockMode), timeOf(look.At), timeOf(look.Value.LockedUntil)
	if entry.Lock == "" {
		entry.Lock = v1alpha1.LockModeNone
	}
	shown := look.Value.Shown
	if shown == nil || out.LastRestorable != nil && !look.Value.Snapshot.After(out.LastRestorable.Snapshot.Time) {
		return
	}
	out.LastRestorable = &v1alpha1.RestorableEvidence{
		Snapshot: *timeOf(look.Value.Snapshot), ShownAt: timeOf(shown.At), Shown: shown.Proof, Store: shown.Store, Tables: int32(shown.Tables),
	}
}

// maxEvidence bounds the list in status.
const maxEvidence = 48

// evidenceItems lists what residency and processors rest on: what was looked at first, then what was written down.
func evidenceItems(s *scope) []v1alpha1.EvidenceItem {
	var items []v1alpha1.EvidenceItem
	for _, node := range s.tenant.Status.Residency.Nodes {
		items = append(items, v1alpha1.EvidenceItem{
			What: fmt.Sprintf("%d pods on a node", node.Pods), Where: node.Name, Value: s.plan.Region.NodeLabel + "=" + node.Value,
			Source: v1alpha1.EvidenceObserved, At: timeOf(s.evidence.Placements.At),
		})
	}
	if wall := s.evidence.Wall; wall.Err == nil && !wall.At.IsZero() {
		items = append(items, v1alpha1.EvidenceItem{
			What: "trial of a foreign binding", Where: s.plan.Region.PlatformNamespace, Value: wallOutcome(wall.Value),
			Source: v1alpha1.EvidenceObserved, At: timeOf(wall.At),
		})
	}
	items = append(items, endpointItems(s)...)
	items = append(items, networkItems(s)...)
	for _, use := range s.plan.Processors {
		items = append(items, v1alpha1.EvidenceItem{
			What: shortTo(use.Where+": "+use.Processor.Name, 200), Where: string(use.Processor.Country) + ", " + use.Processor.Site,
			Source: v1alpha1.EvidenceDeclared,
		})
		for _, certificate := range use.Processor.Certificates {
			items = append(items, v1alpha1.EvidenceItem{
				What: shortTo(certificate.Kind+" of "+use.Processor.Name, 200), Where: shortTo(certificate.Issuer, 200),
				Value: "until " + string(certificate.ValidUntil), Source: v1alpha1.EvidenceDeclared,
			})
		}
	}
	return items[:min(len(items), maxEvidence)]
}

// endpointItems show which server and stores were met, where, and with which key.
func endpointItems(s *scope) []v1alpha1.EvidenceItem {
	var items []v1alpha1.EvidenceItem
	for _, use := range compliance.Endpoints(s.plan) {
		sample := s.evidence.Endpoints[use.Where]
		met := sample.Value
		if sample.Err != nil || sample.At.IsZero() {
			continue
		}
		value := met.Fault
		if value == "" {
			value = fmt.Sprintf("%s; key %s; TLS until %s", met.Identity, met.Key[:min(len(met.Key), 16)], met.NotAfter.Format(time.RFC3339))
		}
		items = append(items, v1alpha1.EvidenceItem{
			What: shortTo(use.Where, 200), Where: met.Address, Value: shortTo(value, 200), Source: v1alpha1.EvidenceObserved, At: timeOf(sample.At),
		})
	}
	return append(items, siteItems(s)...)
}

// siteItems show which certificate citizens are to meet.
func siteItems(s *scope) []v1alpha1.EvidenceItem {
	site := s.evidence.Site
	if len(s.plan.Instance.Hosts) == 0 || site.Err != nil || site.At.IsZero() {
		return nil
	}
	met := site.Value
	value := met.Fault
	if value == "" {
		value = fmt.Sprintf("key %s; TLS until %s", met.Key[:min(len(met.Key), 16)], met.NotAfter.Format(time.RFC3339))
	}
	return []v1alpha1.EvidenceItem{{
		What: "certificate of " + compliance.UseSite, Where: shortTo(plan.SiteSecret(s.plan), 200), Value: shortTo(value, 200),
		Source: v1alpha1.EvidenceObserved, At: timeOf(site.At),
	}}
}

func wallOutcome(wall compliance.Wall) string {
	switch {
	case wall.Open != "":
		return "not refused"
	case wall.Untried != "":
		return "not known"
	}
	return "refused"
}

// shortTo keeps a text within the bounds of its field, and no half of a letter.
func shortTo(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// timeOf gives an API time of whole seconds, as the API server stores it; nil for the zero time.
func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	out := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &out
}

// timeAt is timeOf a time that may not be there.
func timeAt(t *time.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	return timeOf(*t)
}
