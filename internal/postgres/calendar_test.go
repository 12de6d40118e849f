// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"
	"time"
)

// A day of a period is 24 hours, on the night clocks change, over the leap day and whatever zone the session is in:
// "30 days" that were 29 days and 23 hours would be another promise.
func TestAPeriodCountsSecondsWhateverTheCalendarDoes(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	want := map[string]time.Duration{}
	for _, rule := range tenant.Rules {
		want[string(rule.Category)] = rule.Period
	}
	for _, zone := range zones {
		exec(t, super, "SET TimeZone = '"+zone+"'")
		for name, start := range map[string]string{
			"before clocks go forward": "2024-03-30 12:00 Europe/Zurich", "before clocks go back": "2024-10-26 12:00 Europe/Zurich",
			"on the leap day": "2024-02-29 12:00 UTC", "before a leap day": "2024-02-01 00:00 UTC", "in a common year": "2023-02-28 23:59 UTC",
			"on a day Samoa skipped": "2011-12-30 12:00 UTC",
		} {
			rows, err := super.Query(t.Context(), `SELECT category, extract(epoch FROM ($1::text::timestamptz + period) - $1::text::timestamptz)::float8 FROM retention_rule`, start)
			must(t, err)
			for rows.Next() {
				var category string
				var seconds float64
				must(t, rows.Scan(&category, &seconds))
				if seconds != want[category].Seconds() {
					t.Errorf("%s in %s, %s: the period is %v seconds, want %v", name, zone, category, seconds, want[category].Seconds())
				}
			}
			must(t, rows.Err())
		}
	}
}
