// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking"
)

func TestTheStaffSeesAnObjectionAndNoNameWhileTheUseIsRestricted(t *testing.T) { // Art. 18, 21
	d := open(t)
	id, token := d.appointment(t, "einwohneramt", 1, minutesAgo(-30), "Ada")
	clerk := d.signIn(t, "clerk.anna")
	status, page := clerk.get("/staff/visits/" + id)
	expect(t, "before", status, http.StatusOK, page, "Ada")
	if err := d.Store.Restrict(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := d.Store.Object(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	status, page = clerk.get("/staff/visits/" + id)
	expect(t, "while restricted", status, http.StatusOK, page, "Nutzung eingeschränkt bis", "Rufen Sie den Code auf", "Widerspruch", booking.Code(booking.TokenHash(token)))
	if strings.Contains(page, "Ada") {
		t.Error("the staff sees the name although the use is restricted")
	}
	status, page = d.signIn(t, "officer.dora").get("/staff/cases")
	expect(t, "the cases", status, http.StatusOK, page)
	if strings.Contains(page, "citizen/") {
		t.Error("a citizen's restriction is listed as a case of the office")
	}
	if err := d.Store.Lift(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	status, page = clerk.get("/staff/visits/" + id)
	expect(t, "after lifting", status, http.StatusOK, page, "Ada")
}
