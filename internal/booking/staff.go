// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// States only the staff side tells apart; to a citizen's link the appointment is a confirmed one.
const (
	StateCalled    State = "called"
	StateCompleted State = "completed"
	StateMissed    State = "missed"
)

// Origin is where a booking came from (T6).
type Origin string

// Origins of bookings.
const (
	OriginForm    Origin = "form"
	OriginPhone   Origin = "phone"
	OriginCounter Origin = "counter"
)

// Permission is one thing somebody at the staff side may do.
type Permission string

// Permissions of the staff side.
const (
	// PermissionDay shows what an office has to do on a day, without a name.
	PermissionDay Permission = "Day"
	// PermissionVisit shows one appointment with its contact.
	PermissionVisit Permission = "Visit"
	// PermissionServe books for a caller, calls, completes, and notes who did not come.
	PermissionServe Permission = "Serve"
	// PermissionOverride breaks a rule, for a reason.
	PermissionOverride Permission = "Override"
	// PermissionHold opens and ends abuse cases and restrictions.
	PermissionHold Permission = "Hold"
	// PermissionAudit reads who did what.
	PermissionAudit Permission = "Audit"
	// PermissionSessions shows and ends the sessions of the staff.
	PermissionSessions Permission = "Sessions"
)

// permissions by role: each role gets what its work needs and nothing else (T5). Who administers or audits needs no
// citizen's name for it.
var permissions = map[v1alpha1.StaffRole][]Permission{
	v1alpha1.StaffClerk:         {PermissionDay, PermissionVisit, PermissionServe},
	v1alpha1.StaffCounterLead:   {PermissionDay, PermissionVisit, PermissionServe, PermissionOverride},
	v1alpha1.StaffOfficer:       {PermissionVisit, PermissionHold, PermissionAudit},
	v1alpha1.StaffAuditor:       {PermissionAudit},
	v1alpha1.StaffAdministrator: {PermissionSessions},
}

// Staff is somebody signed in at the staff side, as the settings in force see them.
type Staff struct {
	// Subject is the identity provider's name for the person.
	Subject string
	Roles   []v1alpha1.StaffRole
	grants  []settings.StaffGrant
}

// NewStaff gives somebody the roles the settings map their claims to.
func NewStaff(document *settings.Staff, subject string, claims []string) Staff {
	staff := Staff{Subject: subject}
	for _, grant := range document.Grants {
		if !slices.ContainsFunc(grant.Values, func(value string) bool { return slices.Contains(claims, value) }) {
			continue
		}
		staff.grants = append(staff.grants, grant)
		if !slices.Contains(staff.Roles, grant.Role) {
			staff.Roles = append(staff.Roles, grant.Role)
		}
	}
	return staff
}

// Actor is how the audit log names them.
func (s Staff) Actor() string { return "staff/" + s.Subject }

// May tells whether they may do something at all.
func (s Staff) May(permission Permission) bool {
	return slices.ContainsFunc(s.grants, func(grant settings.StaffGrant) bool { return slices.Contains(permissions[grant.Role], permission) })
}

// MayAt tells whether they may do something at an office: a grant that names offices counts there alone.
func (s Staff) MayAt(permission Permission, office string) bool {
	return slices.ContainsFunc(s.grants, func(grant settings.StaffGrant) bool {
		return slices.Contains(permissions[grant.Role], permission) &&
			(len(grant.Offices) == 0 || slices.Contains(grant.Offices, v1alpha1.CatalogueName(office)))
	})
}

// Visit is an appointment as the staff side sees it; Contact is nil where nobody asked for it and after its period.
type Visit struct {
	Appointment
	Counter int32
	Origin  Origin
	// Code is what a citizen shows or says instead of a name.
	Code                      string
	Called, Completed, Missed *time.Time
	// Objected is when the citizen objected to the use of their data (Art. 21 GDPR). Restricted is until when they
	// restricted it (Art. 18): Contact is nil until then.
	Objected, Restricted *time.Time
}

// Stage is the visit's state with what the staff has done about it.
func (v *Visit) Stage() State {
	switch {
	case v.Missed != nil:
		return StateMissed
	case v.Completed != nil:
		return StateCompleted
	case v.State == StateConfirmed && v.Called != nil:
		return StateCalled
	}
	return v.State
}

// Step is what the staff does with a visit.
type Step string

// Steps of a visit.
const (
	StepCall     Step = "call"
	StepComplete Step = "complete"
	StepMiss     Step = "miss"
	// StepReopen takes back an end that was noted by mistake; it breaks the rule that an end is one.
	StepReopen Step = "reopen"
	StepCancel Step = "cancel"
)

// Steps gives what can be done with a visit now. Nobody is called before the day of the appointment, nobody has missed
// it before it began, and only what lies ahead is cancelled.
func (v *Visit) Steps(now time.Time) []Step {
	if v.State != StateConfirmed {
		return nil
	}
	ahead := v.Start.After(now)
	today := now.In(v.Start.Location()).Format(time.DateOnly) >= v.Start.Format(time.DateOnly)
	switch v.Stage() {
	case StateConfirmed:
		switch {
		case !today:
			return []Step{StepCancel}
		case ahead:
			return []Step{StepCall, StepCancel}
		}
		return []Step{StepCall, StepMiss}
	case StateCalled:
		steps := []Step{StepCall, StepComplete}
		if !ahead {
			steps = append(steps, StepMiss)
		}
		return steps
	case StateCompleted, StateMissed:
		return []Step{StepReopen}
	}
	return nil
}

// Reason why a rule was broken. It is one of a list: a free text would soon hold what nobody may write down (T6).
type Reason string

// Reasons lists every reason.
var Reasons = []Reason{"urgent", "accessibility", "agreed", "mistake"}

// ParseReason gives a reason of the list.
func ParseReason(text string) (Reason, bool) {
	return Reason(text), slices.Contains(Reasons, Reason(text))
}

// codeBytes of the token's hash make the code: forty bits are enough to find one among the appointments of an instance,
// and tell nothing of the token.
const codeBytes = 5

// alphabet without I, L, O and U, which are misread or misheard (Crockford).
var alphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// Code is what the staff finds an appointment by, such as "K3WM-8F2Q". It opens nothing: only the link does.
func Code(tokenHash []byte) string {
	if len(tokenHash) < codeBytes {
		return ""
	}
	text := alphabet.EncodeToString(tokenHash[:codeBytes])
	return text[:4] + "-" + text[4:]
}

// ParseCode reads a code as people write it, and gives the first bytes of the token's hash.
func ParseCode(text string) (prefix []byte, ok bool) {
	text = strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(text))
	prefix, err := alphabet.DecodeString(text)
	return prefix, err == nil && len(prefix) == codeBytes
}
