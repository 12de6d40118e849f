// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// ErrRetained tells that a tenant's contract has ended: its data waits for its end and nothing may serve it again.
var ErrRetained = errors.New("the tenant's contract has ended, its data is only kept until its period is over")

// Tenant is what a tenant must look like in the database.
type Tenant struct {
	// DataID is the opaque name of schema and roles.
	DataID string
	// Namespace, Name and UID of the BookingTenant; they are kept in the operator's own schema only.
	Namespace, Name, UID string
	// SpecHash is recorded once everything else is done.
	SpecHash string
	// AppA and AppB are the passwords of the two slots of the app role; a slot without a password cannot log in.
	AppA, AppB        string
	Retention, Backup string
	// Archive is the password of the role that hands over; without one there is no such role, or it cannot log in.
	Archive string
	Rules   []Rule
	// Tolerance after a period before a record counts as overdue.
	Tolerance time.Duration
	// EraseWithin is how long an erasure on request may wait for a store before it is overdue; zero means that none is.
	EraseWithin time.Duration
	// SuspendedUntil pauses every purge until then; it goes on by itself afterwards. Nil means no pause.
	SuspendedUntil *time.Time
	// ConnectionLimit of each slot of the app role; zero means the default of 20.
	ConnectionLimit int
}

// Rule is one rule of the policy; it has the fields of plan.Rule.
type Rule struct {
	Category   v1alpha1.Category
	StartEvent v1alpha1.StartEvent
	Period     time.Duration
	Action     v1alpha1.Action
	// ArchivePeriod is how long an archive keeps a record, from the same start event; zero but for ActionArchive.
	ArchivePeriod time.Duration
}

// Roles of a tenant. The owner cannot log in; the app has two slots, so that a password can be changed while it serves;
// the archive role exists where a rule hands over.
type Roles struct{ Owner, AppA, AppB, Retention, Backup, Archive string }

// RolesOf names the roles of a tenant.
func RolesOf(dataID string) Roles {
	return Roles{
		Owner: dataID + "_owner", AppA: dataID + "_app_a", AppB: dataID + "_app_b",
		Retention: dataID + "_retention", Backup: dataID + "_backup", Archive: dataID + "_archive",
	}
}

// logins are the roles that can have sessions.
func (r Roles) logins() []string { return []string{r.AppA, r.AppB, r.Retention, r.Backup, r.Archive} }

func (r Roles) all() []string { return append(r.logins(), r.Owner) }

// dataIDs leaves room for the suffixes of roles in the 63 bytes of an identifier.
var dataIDs = regexp.MustCompile(`^[a-z][a-z0-9]{0,47}$`)

func checkDataID(dataID string) error {
	if !dataIDs.MatchString(dataID) {
		return fmt.Errorf("%q is no data ID: it takes a lower-case letter followed by up to 47 letters and digits", dataID)
	}
	return nil
}

func (t *Tenant) check() error {
	if err := checkDataID(t.DataID); err != nil {
		return err
	}
	for _, text := range []string{t.Namespace, t.Name, t.UID, t.SpecHash} {
		if strings.ContainsRune(text, 0) {
			return errors.New("a name holds a NUL character")
		}
	}
	if t.Tolerance < 0 || t.EraseWithin < 0 {
		return errors.New("the tolerance, or how long an erasure may wait, is negative")
	}
	periods := map[v1alpha1.Category]time.Duration{}
	for _, rule := range t.Rules {
		// Whole seconds, since a period that was rounded would be another promise.
		if rule.Period < time.Second || rule.Period%time.Second != 0 {
			return fmt.Errorf("the period of %s is no positive number of seconds", rule.Category)
		}
		if _, twice := periods[rule.Category]; twice {
			return fmt.Errorf("there are two rules for %s", rule.Category)
		}
		periods[rule.Category] = rule.Period
		if archives := rule.Action == v1alpha1.ActionArchive; archives != (rule.ArchivePeriod > 0) || rule.ArchivePeriod%time.Second != 0 {
			return fmt.Errorf("the rule of %s needs a period of the archive in whole seconds if it hands over, and none if it does not", rule.Category)
		}
	}
	// What hangs on an appointment goes with it, which must not cut its period short.
	appointment, ok := periods[v1alpha1.CategoryAppointment]
	for _, c := range []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryMessage, v1alpha1.CategoryAttachment} {
		if ok && periods[c] > appointment {
			return fmt.Errorf("records of %[1]s are kept longer than their appointments: make the period of %[1]s at most that of Appointment", c)
		}
	}
	return nil
}
