// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// refusalOf checks a sound tenant with another backup schedule, under a policy that lets backups be of any age.
func refusalOf(in plan.Input, schedule, zone string) *plan.Refusal {
	in.Tenant, in.Policy = in.Tenant.DeepCopy(), in.Policy.DeepCopy()
	in.Policy.Spec.Backup.MaximumAge = "500d"
	in.Tenant.Spec.Backup.Schedule, in.Tenant.Spec.Backup.TimeZone = v1alpha1.Schedule(schedule), zone
	return plan.Check(in)
}

func TestCheckAcceptsSchedulesACronJobKeeps(t *testing.T) {
	in := soundInput(t)
	for _, schedule := range []string{
		"15 2 * * *", "0 */12 * * *", "*/5 * * * *", "0 0 29 2 *", "0 0 * JAN-MAR MON,FRI", "0 0 31 2 1", "0 0 ? * ?", "@hourly", "@daily", "@weekly",
	} {
		if refusal := refusalOf(in, schedule, "Europe/Zurich"); refusal != nil {
			t.Errorf("%q is refused: %s", schedule, refusal.Message)
		}
	}
}

func TestCheckRefusesSchedulesWithTheMend(t *testing.T) {
	in := soundInput(t)
	for name, c := range map[string]struct{ schedule, zone, mend string }{
		"time zone in the schedule":        {"TZ=Europe/Zurich 0 2 * * *", "", "write it in the timeZone field"},
		"the zone robfig/cron panics on":   {"TZ=0", "", "write it in the timeZone field"},
		"time zone in small letters":       {"cron_tz=UTC 0 2 * * *", "", "write it in the timeZone field"},
		"30 February":                      {"0 0 30 2 *", "", "choose one that exists"},
		"31st of short months":             {"0 0 31 4,6,9,11 *", "", "choose one that exists"},
		"interval":                         {"@every 1h", "", "is an interval without times of day"},
		"six fields":                       {"0 0 2 * * *", "", "write five cron fields"},
		"four fields":                      {"0 2 * *", "", "write five cron fields"},
		"empty":                            {"", "", "write five cron fields"},
		"minute 60":                        {"60 * * * *", "", "write five cron fields"},
		"step of nothing":                  {"*/0 * * * *", "", "write five cron fields"},
		"Sunday as 7, unlike a CronJob":    {"0 0 * * 7", "", "write five cron fields"},
		"hours over midnight":              {"0 22-2 * * *", "", "write five cron fields"},
		"last day of the month":            {"0 0 L * *", "", "write five cron fields"},
		"unknown descriptor":               {"@reboot", "", "write five cron fields"},
		"time zone that does not exist":    {"0 2 * * *", "Europe/Basel", "IANA name"},
		"time zone of whichever machine":   {"0 2 * * *", "Local", "IANA name"},
		"time zone outside the zone files": {"0 2 * * *", "../../etc/passwd", "IANA name"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := refusalOf(in, c.schedule, c.zone)
			if refusal == nil {
				t.Fatalf("%q in %q is accepted", c.schedule, c.zone)
			}
			if refusal.Reason != v1alpha1.ReasonInvalidSchedule || !strings.Contains(refusal.Message, c.mend) || !strings.Contains(refusal.Message, "spec.backup.schedule") {
				t.Errorf("%s: %s; want the mend %q", refusal.Reason, refusal.Message, c.mend)
			}
		})
	}
}

func TestCheckNamesThePolicyWhoseScheduleIsWrong(t *testing.T) {
	in := soundInput(t)
	in.Policy.Spec.Enforcement.Schedule = "0 0 30 2 *"
	refusal := plan.Check(in)
	if refusal == nil || !strings.Contains(refusal.Message, "RetentionPolicy basel, spec.enforcement.schedule") {
		t.Fatalf("the refusal is %+v", refusal)
	}
}

// A time that a change of clocks skips is the CronJob controller's affair, not a reason to refuse a schedule on that
// day and accept it on the next.
func TestCheckReadsASchedulesTheSameOnEveryDayOfTheYear(t *testing.T) {
	in := soundInput(t)
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	for offset := range 366 {
		in.Now = now.AddDate(0, 0, offset).In(zone)
		in.Tenant.Spec.ProcessingAgreement.InForceUntil = nil
		if refusal := refusalOf(in, "30 2 * * *", "Europe/Zurich"); refusal != nil {
			t.Fatalf("on day %d: %s", offset, refusal.Message)
		}
		if refusal := refusalOf(in, "30 2 30 2 *", "Europe/Zurich"); refusal == nil {
			t.Fatalf("on day %d 30 February exists", offset)
		}
	}
}

// FuzzCheckSchedule: whatever is written, the answer is a sentence and never a panic.
func FuzzCheckSchedule(f *testing.F) {
	for _, seed := range []string{"15 2 * * *", "TZ=0", "CRON_TZ=", "@every 1ns", "0 0 30 2 *", "*/0 * * * *", "1-0 * * * *", "@", "\x00 * * * *", "-,/ * * * *"} {
		f.Add(seed, "Europe/Zurich")
		f.Add(seed, "\x00")
	}
	// Zones whose clocks skip midnight, and one that skipped a whole day: searches for the next firing went astray there.
	for _, zone := range []string{"America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe"} {
		f.Add("0 0 * * *", zone)
		f.Add("30 0 29 2 *", zone)
	}
	in := soundInput(f)
	f.Fuzz(func(t *testing.T, schedule, zone string) {
		refusal := refusalOf(in, schedule, zone)
		if refusal != nil && (refusal.Reason != v1alpha1.ReasonInvalidSchedule || !strings.Contains(refusal.Message, ": ")) {
			t.Errorf("%q in %q: %s without a mend: %s", schedule, zone, refusal.Reason, refusal.Message)
		}
	})
}

// A CronJob skips a time of day that does not exist on the night clocks go forward: a daily run at 02:15 in Zürich
// leaves 47 hours once a year, which no tolerance of a day covers.
func TestCheckRefusesSchedulesThatCannotKeepThePeriods(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plan.Input)
		want   string
	}{
		"daily backups where half-daily ones are promised": {func(in *plan.Input) { in.Tenant.Spec.Backup.Schedule = "0 4 * * *" }, "back up more often"},
		"a purge in the hour that clocks skip": {func(in *plan.Input) {
			in.Policy.Spec.Enforcement = v1alpha1.Enforcement{Schedule: "15 2 * * *", TimeZone: "Europe/Zurich"}
			in.Policy.Spec.Tolerance = "26h"
		}, "purges up to 47h apart"},
		"a weekly purge with two days of tolerance": {func(in *plan.Input) { in.Policy.Spec.Enforcement.Schedule = "0 4 * * 1" }, "longer than its tolerance of 2d"},
	} {
		t.Run(name, func(t *testing.T) {
			in := soundInput(t)
			in.Tenant, in.Policy = in.Tenant.DeepCopy(), in.Policy.DeepCopy()
			c.change(&in)
			if refusal := plan.Check(in); refusal == nil || !strings.Contains(refusal.Message, c.want) {
				t.Errorf("the refusal is %+v; want %q", refusal, c.want)
			}
		})
	}
}
