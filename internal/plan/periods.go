// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// hanging are the categories whose records go with their appointment at the latest.
var hanging = []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryMessage, v1alpha1.CategoryAttachment}

func checkPeriods(in *Input) *Refusal { return checkHanging(in.Policy) }

// checkHanging refuses a period an appointment's own would cut short: the sooner promise would be kept, but the later
// one was published.
func checkHanging(policy *v1alpha1.RetentionPolicy) *Refusal {
	periods := map[v1alpha1.Category]time.Duration{}
	for _, rule := range policy.Spec.Rules {
		periods[rule.Category] = duration(rule.Period)
	}
	appointment, ruled := periods[v1alpha1.CategoryAppointment]
	for _, category := range hanging {
		if ruled && periods[category] > appointment {
			return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s keeps %s for %s, but the appointments it belongs to for %s only: make the period of %[2]s at most that of Appointment",
				policy.Name, category, v1alpha1.FormatPeriod(periods[category]), v1alpha1.FormatPeriod(appointment))
		}
	}
	return nil
}

// checkOtherCopies holds what others copy of a database server against the backup period (B2): a deleted record lives
// on in an archive of the write-ahead log, or a base backup, as long as that is kept. Only the server that holds, or
// may come to hold, the tenant's data counts.
func checkOtherCopies(in *Input) *Refusal {
	period := duration(in.Policy.Spec.Backup.Period)
	for _, server := range in.Region.Spec.DatabaseServers {
		if in.Placement != nil && in.Placement.Server != server.Name {
			continue
		}
		for _, c := range server.OtherCopies {
			kept, err := c.Period.Duration()
			if err != nil {
				return refuse(v1alpha1.ReasonInvalidPeriod, "DataRegion %s, server %s, copy %s: %v", in.Region.Name, server.Name, c.Name, err)
			}
			if kept > period {
				return refuse(v1alpha1.ReasonOtherCopiesTooLong,
					"database server %s of DataRegion %s is copied by %s (%s), which is kept for %s, but RetentionPolicy %s lets backups live for %s: shorten the copy's period, or use a region without it",
					server.Name, in.Region.Name, c.Name, c.Kind, c.Period, in.Policy.Name, in.Policy.Spec.Backup.Period)
			}
		}
	}
	return nil
}
