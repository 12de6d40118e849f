// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"fmt"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// State of an appointment.
type State string

// States of appointments. A hold or an unconfirmed booking that is given up or expires is deleted, not cancelled:
// there is nothing to prove about it.
const (
	StateHeld      State = "held"
	StatePending   State = "pending"
	StateConfirmed State = "confirmed"
	StateCancelled State = "cancelled"
)

// Appointment as its secret link shows it. Contact is nil before it was given and after its period.
type Appointment struct {
	ID         string
	Office     string
	Service    string
	Channel    v1alpha1.Channel
	Start, End time.Time
	State      State
	Locale     string
	// Sequence of the calendar entry: each move and the cancellation count one.
	Sequence int
	// Deadline is when a hold or an unconfirmed booking expires.
	Deadline time.Time
	Contact  *Contact
	// Reminder is how long before the appointment the citizen wants a mail; zero for none.
	Reminder time.Duration
	// Consented tells that a consent was given and not withdrawn.
	Consented bool
}

// Expiry is how long a booking may stay unfinished; each counts from the hold.
type Expiry struct{ Hold, Unconfirmed time.Duration }

// NewExpiry reads the periods of holds and unconfirmed bookings from the policy's rules.
func NewExpiry(document *settings.Instance) (Expiry, error) {
	periods := map[v1alpha1.Category]time.Duration{
		v1alpha1.CategoryHold: 0, v1alpha1.CategoryUnconfirmedBooking: 0,
	}
	for category := range periods {
		rule := document.Rule(category)
		if rule == nil {
			return Expiry{}, fmt.Errorf("the policy has no rule for category %s", category)
		}
		period, err := rule.Period.Duration()
		if err != nil {
			return Expiry{}, fmt.Errorf("rule for category %s: %w", category, err)
		}
		periods[category] = period
	}
	return Expiry{periods[v1alpha1.CategoryHold], periods[v1alpha1.CategoryUnconfirmedBooking]}, nil
}

// PeriodOf is the period the policy gives a category, or "" when it has no rule for it.
func PeriodOf(document *settings.Instance, category v1alpha1.Category) v1alpha1.Period {
	if rule := document.Rule(category); rule != nil {
		return rule.Period
	}
	return ""
}
