// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"strconv"
	"time"
)

// Period is a length of time a promise is made for: a whole number followed by m (minutes), h (hours) or d (days of
// exactly 24 hours), such as "60m", "12h" or "30d". There is no month and no year, since neither has a fixed length,
// and no zero, since "0" has meant both "at once" and "never" in systems that allowed it.
//
// +kubebuilder:validation:MaxLength=6
// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]{0,4}[mhd]$')",message="write a period as a whole number of minutes (m), hours (h) or days (d), such as 60m, 12h or 30d; it can be neither zero nor negative, and months and years have no fixed length"
type Period string

const maxPeriodDigits = 5

// ParsePeriod reads a Period. The error says how to write one.
func ParsePeriod(text string) (time.Duration, error) {
	malformed := fmt.Errorf("%q is no period: write a whole number of minutes (m), hours (h) or days (d), such as 60m, 12h or 30d", text)
	if len(text) < 2 || len(text) > maxPeriodDigits+1 || text[0] < '1' || text[0] > '9' {
		return 0, malformed
	}
	digits, unit := text[:len(text)-1], text[len(text)-1]
	for _, r := range digits {
		if r < '0' || r > '9' {
			return 0, malformed
		}
	}
	count, err := strconv.Atoi(digits)
	if err != nil {
		return 0, malformed
	}
	switch unit {
	case 'm':
		return time.Duration(count) * time.Minute, nil
	case 'h':
		return time.Duration(count) * time.Hour, nil
	case 'd':
		return time.Duration(count) * 24 * time.Hour, nil
	}
	return 0, malformed
}

// Duration is the length of the period. Objects the API server accepted always have one; a malformed period gives an
// error, never a zero that could be taken for "at once".
func (p Period) Duration() (time.Duration, error) { return ParsePeriod(string(p)) }

// FormatPeriod writes a duration in the largest unit that expresses it exactly; what is below a minute is rounded up.
func FormatPeriod(d time.Duration) Period {
	minutes := int64((d + time.Minute - 1) / time.Minute)
	switch {
	case minutes%(24*60) == 0:
		return Period(strconv.FormatInt(minutes/(24*60), 10) + "d")
	case minutes%60 == 0:
		return Period(strconv.FormatInt(minutes/60, 10) + "h")
	}
	return Period(strconv.FormatInt(minutes, 10) + "m")
}
