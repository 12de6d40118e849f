// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"net/http"
	"slices"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

type dayBody struct {
	Office *booking.Office
	// Gone from the catalogue: what was booked there is shown, and nothing more is.
	Gone                      bool
	Day, Title                string
	Previous, Next            string
	Rows                      []row
	Open, Called, Done, Noone int
}

// day lists what an office has to do on a day: time, counter, service and code, and nobody's name (T5).
func (d *Desk) day(w http.ResponseWriter, r *request) error {
	office, gone, err := d.officeOf(r)
	if err != nil {
		return err
	}
	now := d.Clock().In(office.Location)
	date, err := time.ParseInLocation(time.DateOnly, r.URL.Query().Get("day"), office.Location)
	if err != nil || date.Year() < 2000 || date.Year() > 9999 {
		date, _ = time.ParseInLocation(time.DateOnly, now.Format(time.DateOnly), office.Location)
	}
	body := dayBody{Office: office, Gone: gone, Day: date.Format(time.DateOnly), Title: r.locale.Date(date),
		Previous: date.AddDate(0, 0, -1).Format(time.DateOnly), Next: date.AddDate(0, 0, 1).Format(time.DateOnly)}
	visits, err := d.Store.Day(r.Context(), r.who, string(office.Name), body.Day, date, date.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	for _, visit := range visits {
		told := d.row(r, visit)
		switch told.Stage {
		case booking.StateConfirmed:
			body.Open++
		case booking.StateCalled:
			body.Called++
		case booking.StateCompleted:
			body.Done++
		case booking.StateMissed:
			body.Noone++
		}
		body.Rows = append(body.Rows, told)
	}
	return d.render(w, r, http.StatusOK, "day", page{Title: office.DisplayName, Body: body})
}

// officeOf is the office the address names, or what is left of one that is gone from the catalogue and has appointments.
func (d *Desk) officeOf(r *request) (office *booking.Office, gone bool, err error) {
	name := r.PathValue("office")
	if office = r.snapshot.Catalogue.Office(name); office != nil {
		return office, false, nil
	}
	booked, err := d.Store.BookedOffices(r.Context())
	if err != nil {
		return nil, false, err
	}
	if !slices.Contains(booked, name) {
		return nil, false, store.ErrNotFound
	}
	return &booking.Office{Office: v1alpha1.Office{Name: v1alpha1.CatalogueName(name), DisplayName: name}, Location: r.snapshot.Catalogue.Zone(name)}, true, nil
}

func (d *Desk) askFind(w http.ResponseWriter, r *request) error {
	return d.render(w, r, http.StatusOK, "find", page{Title: r.locale.Say("staff.find")})
}

// find looks for the code a citizen shows. There is no search by name: whoever could browse names would (T5).
func (d *Desk) find(w http.ResponseWriter, r *request) error {
	notFound := page{Title: r.locale.Say("staff.find"), Faults: []fault{{"code", r.locale.Say("staff.find_none")}}}
	prefix, ok := booking.ParseCode(r.PostForm.Get("code"))
	if !ok {
		return d.render(w, r, http.StatusUnprocessableEntity, "find", notFound)
	}
	id, err := d.Store.Search(r.Context(), r.who, prefix)
	if err == nil {
		http.Redirect(w, r.Request, "/staff/visits/"+id, http.StatusSeeOther)
		return nil
	}
	if notThere(err) {
		return d.render(w, r, http.StatusUnprocessableEntity, "find", notFound)
	}
	return err
}

type visitBody struct {
	row
	Steps   []booking.Step
	Reasons []booking.Reason
	Day     string
	// ObjectedOn and RestrictedUntil are days in words, empty where neither was asked for.
	ObjectedOn, RestrictedUntil string
}

func (d *Desk) visit(w http.ResponseWriter, r *request) error {
	return d.showVisit(w, r, http.StatusOK, "")
}

// showVisit shows one appointment with the name to call; that somebody looked is noted.
func (d *Desk) showVisit(w http.ResponseWriter, r *request, status int, notice string) error {
	visit, err := d.Store.Visit(r.Context(), r.who, r.PathValue("id"), r.offices(booking.PermissionVisit))
	if err != nil {
		return err
	}
	body := visitBody{row: d.row(r, *visit), Reasons: booking.Reasons}
	body.Visit.Start = body.row.Start
	if visit.Objected != nil {
		body.ObjectedOn = r.locale.Day(visit.Objected.In(body.row.Start.Location()).Format(time.DateOnly))
	}
	if visit.Restricted != nil {
		body.RestrictedUntil = r.locale.Day(visit.Restricted.In(body.row.Start.Location()).Format(time.DateOnly))
	}
	body.Day = body.row.Start.Format(time.DateOnly)
	if r.who.MayAt(booking.PermissionServe, visit.Office) {
		body.Steps = slices.DeleteFunc(body.Visit.Steps(d.Clock()), func(step booking.Step) bool {
			return step == booking.StepReopen && !r.who.MayAt(booking.PermissionOverride, visit.Office)
		})
	}
	return d.render(w, r, status, "visit", page{Title: body.Code, Notice: notice, Body: body})
}

// step calls, completes, notes who did not come, or cancels. Taking back what was noted breaks a rule and needs a
// reason.
func (d *Desk) step(w http.ResponseWriter, r *request) error {
	step := booking.Step(r.PathValue("step"))
	if !slices.Contains([]booking.Step{booking.StepCall, booking.StepComplete, booking.StepMiss, booking.StepReopen, booking.StepCancel}, step) {
		return d.missing(w, r)
	}
	permission, reason := booking.PermissionServe, booking.Reason("")
	if step == booking.StepReopen {
		permission = booking.PermissionOverride
		given, ok := booking.ParseReason(r.PostForm.Get("reason"))
		if !ok {
			return d.showVisit(w, r, http.StatusUnprocessableEntity, "staff.reason_missing")
		}
		reason = given
	}
	changed, err := d.Store.Advance(r.Context(), r.who, r.PathValue("id"), step, reason, r.snapshot.Mail != nil,
		r.snapshot.Catalogue.Zone, r.offices(permission))
	if err != nil {
		return err
	}
	if !changed {
		return d.showVisit(w, r, http.StatusConflict, "staff.step_late")
	}
	d.event(map[booking.Step]string{booking.StepCall: "called", booking.StepComplete: "completed", booking.StepMiss: "missed",
		booking.StepReopen: "reopened", booking.StepCancel: "cancelled"}[step])
	http.Redirect(w, r.Request, "/staff/visits/"+r.PathValue("id"), http.StatusSeeOther)
	return nil
}
