// SPDX-License-Identifier: Apache-2.0

// Package cnpg reads what the product needs of a CloudNativePG Cluster, by its published conventions and without its
// module: where it answers, whose certificate it shows, and how long its own copies of the data live. It is pure.
package cnpg

import (
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Kinds that are read.
var (
	ClusterKind         = schema.GroupVersionKind{Group: "postgresql.cnpg.io", Version: "v1", Kind: "Cluster"}
	ScheduledBackupKind = schema.GroupVersionKind{Group: "postgresql.cnpg.io", Version: "v1", Kind: "ScheduledBackup"}
)

// LabelCluster is what every pod of a Cluster carries.
const LabelCluster = plan.LabelCNPGCluster

// forever is the period of copies nothing expires: longer than any policy.
const forever = 100 * 365 * 24 * time.Hour

// Facts are what a Cluster says of itself.
type Facts struct {
	// Host of the read-write Service; the server's certificate carries it.
	Host string
	// CASecret names the Secret, in the Cluster's namespace, whose ca.crt verifies the server's certificate.
	CASecret string
	// Copies of the whole server the Cluster makes, each with the longest a deleted record may stay in it.
	Copies []v1alpha1.OtherCopy
}

// AppSecret names the Secret, in the Cluster's namespace, of the role that owns its application database.
func AppSecret(cluster string) string { return cluster + "-app" }

// Read takes the facts from a Cluster and the ScheduledBackups of its namespace.
func Read(cluster *unstructured.Unstructured, schedules []unstructured.Unstructured) Facts {
	facts := Facts{
		Host:     text(cluster, "status", "writeService"),
		CASecret: text(cluster, "status", "certificates", "serverCASecret"),
	}
	if facts.Host == "" {
		facts.Host = cluster.GetName() + "-rw"
	}
	facts.Host += "." + cluster.GetNamespace() + ".svc"
	if facts.CASecret == "" {
		facts.CASecret = cluster.GetName() + "-ca"
	}
	facts.Copies = copies(cluster, schedules)
	return facts
}

// copies: a recovery window keeps the last base backup before it, too, so that a deleted record lives on for the window
// and the time between two base backups. What has no window, or is backed up by hand only, is kept for ever; so is a
// volume snapshot, which CloudNativePG never expires, and whatever a plugin archives, which a Cluster does not tell.
func copies(cluster *unstructured.Unstructured, schedules []unstructured.Unstructured) (found []v1alpha1.OtherCopy) {
	name := func(what, why string) string { return what + " of Cluster " + cluster.GetName() + why }
	if has(cluster, "spec", "backup", "barmanObjectStore") {
		window, limited := retention(text(cluster, "spec", "backup", "retentionPolicy"))
		gap, scheduled := between(cluster.GetName(), schedules)
		switch {
		case !limited:
			found = append(found, copyOf(name("archive", ", which has no spec.backup.retentionPolicy"), "WALArchive", forever))
		case !scheduled:
			found = append(found, copyOf(name("archive", ", which no ScheduledBackup renews"), "WALArchive", forever))
		default:
			found = append(found, copyOf(name("archive", ", its retentionPolicy and the time between two base backups"), "WALArchive", window+gap))
		}
	}
	if has(cluster, "spec", "backup", "volumeSnapshot") {
		found = append(found, copyOf(name("volume snapshots", ", which nothing expires"), "VolumeSnapshot", forever))
	}
	plugins, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "plugins")
	for _, plugin := range plugins {
		fields, ok := plugin.(map[string]any)
		if archives, _ := fields["isWALArchiver"].(bool); ok && archives {
			found = append(found, copyOf(name("archive", ", whose plugin does not say how long it keeps it: declare it in otherCopies as a WALArchive"), "WALArchive", forever))
		}
	}
	return found
}

func copyOf(name, kind string, period time.Duration) v1alpha1.OtherCopy {
	return v1alpha1.OtherCopy{Name: name, Kind: kind, Period: v1alpha1.FormatPeriod(period)}
}

// retention reads a recovery window such as 30d, 4w or 2m; a month counts its most days.
func retention(policy string) (window time.Duration, limited bool) {
	if policy == "" {
		return 0, false
	}
	days, known := map[byte]int{'d': 1, 'w': 7, 'm': 31}[policy[len(policy)-1]]
	n, err := strconv.Atoi(policy[:len(policy)-1])
	if !known || err != nil || n <= 0 || n > 36500 {
		return 0, false
	}
	return time.Duration(n*days) * 24 * time.Hour, true
}

// between gives the longest time between two base backups of a Cluster: that of its busiest schedule.
func between(cluster string, schedules []unstructured.Unstructured) (gap time.Duration, scheduled bool) {
	for i := range schedules {
		s := &schedules[i]
		suspended, _, _ := unstructured.NestedBool(s.Object, "spec", "suspend")
		if suspended || text(s, "spec", "cluster", "name") != cluster {
			continue
		}
		schedule := text(s, "spec", "schedule")
		// Its cron has a field of seconds in front, which moves every backup alike.
		if fields := strings.Fields(schedule); len(fields) == 6 {
			schedule = strings.Join(fields[1:], " ")
		}
		this := (plan.LongestGap(schedule, "UTC") + time.Hour - 1).Truncate(time.Hour)
		if !scheduled || this < gap {
			gap, scheduled = this, true
		}
	}
	return gap, scheduled
}

func text(object *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(object.Object, path...)
	return value
}

func has(object *unstructured.Unstructured, path ...string) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return found
}
