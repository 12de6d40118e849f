// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
)

// Whoever takes an office out of the catalogue takes nobody's appointment: the staff sees it, serves it or cancels it.
func TestTheAppointmentsOfAnOfficeThatIsGoneAreStillShown(t *testing.T) {
	d := open(t)
	start := time.Now().Add(24 * time.Hour).Truncate(time.Hour)
	id, token := d.appointment(t, "gundeli", 1, start, "Ada")
	code := booking.Code(booking.TokenHash(token))
	clerk, narrow := d.signIn(t, "clerk.anna"), d.signIn(t, "gundeli.carla")
	d.Document.Catalogue.Offices = d.Document.Catalogue.Offices[:1]
	day := "/staff/offices/gundeli?day=" + start.In(zurich(t)).Format(time.DateOnly)

	status, page := clerk.get("/staff/")
	expect(t, "home", status, http.StatusOK, page, "/staff/offices/gundeli", "Nicht mehr im Verzeichnis")
	status, page = clerk.get(day)
	expect(t, "the day", status, http.StatusOK, page, code, start.In(zurich(t)).Format("15:04"), "gelten weiter")
	if strings.Contains(page, "/staff/offices/gundeli/book") {
		t.Error("the day offers to book at an office that is gone")
	}
	status, page = clerk.get("/staff/offices/gundeli/book")
	expect(t, "booking there", status, http.StatusNotFound, page)
	status, page = narrow.get(day)
	expect(t, "a clerk of that office alone, which the settings name no longer than it is there", status, http.StatusOK, page, code)
	status, page = clerk.post("/staff/visits/" + id + "/cancel")
	expect(t, "cancelling", status, http.StatusOK, page)

	status, page = clerk.get("/staff/")
	if expect(t, "home without it", status, http.StatusOK, page); strings.Contains(page, "gundeli") {
		t.Error("an office that is gone is listed without an appointment")
	}
	status, page = clerk.get(day)
	expect(t, "the day of an office that never was", status, http.StatusNotFound, page)
}
