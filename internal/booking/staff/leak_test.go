// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/testing/oidctest"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// Invariant 2, over everything a citizen and the staff do with one appointment: what is personal is in the rows that are
// purged, and neither in a log, of the site or of the database server, nor in a table beside them.
func TestNothingOfAPersonIsOutsideTheRowsThatArePurged(t *testing.T) {
	d := open(t)
	d.Document.Catalogue.Services[0].RequiredFields = []v1alpha1.RequiredField{v1alpha1.RequiredFieldPostalAddress}
	token := d.bookByAPI(t, map[string]string{"givenName": "Zoë", "familyName": "Quittenbaum", "email": "zoe@quitten.example", "street": "Quittengasse 7",
		"postalCode": "4999", "city": "Quittenwil", "noticeDate": "2026-05-31"})
	citizen := &person{t, d, oidctest.Browser(t, d.bundle)}
	link := "/de/appointments/" + token
	status, page := citizen.get(link + "/data")
	expect(t, "what is stored", status, http.StatusOK, page, "Quittengasse 7", "Quittenbaum")
	for _, right := range []string{"object", "restrict"} {
		status, page = citizen.post(link + "/" + right)
		expect(t, right, status, http.StatusOK, page)
	}

	clerk, officer := d.signIn(t, "clerk.anna"), d.signIn(t, "officer.dora")
	status, page = clerk.post("/staff/find", "code", booking.Code(booking.TokenHash(token)))
	expect(t, "the restricted appointment", status, http.StatusOK, page)
	if strings.Contains(page, "Quittenbaum") {
		t.Error("a restricted name is shown")
	}
	status, page = citizen.post(link + "/lift")
	expect(t, "lifting", status, http.StatusOK, page)
	d.bookByPhone(t, clerk, "Quittenhuber", "061 555 77 99")
	for _, wrong := range []string{"Quittenbaum", "zoe@quitten.example"} {
		status, page = clerk.post("/staff/find", "code", wrong)
		expect(t, "searching by what is no code", status, http.StatusUnprocessableEntity, page)
	}
	status, page = officer.get("/staff/audit")
	expect(t, "the audit log", status, http.StatusOK, page)

	// An error makes the server log the statement that failed; it must do so without its parameters.
	super := d.Superuser(t)
	if _, err := super.Exec(t.Context(), `INSERT INTO appointment SELECT * FROM appointment`); err == nil {
		t.Fatal("appointments can be doubled, so that the server's log shows nothing of errors")
	}
	personal := []string{"Quitten", "061 555 77 99", token}
	logs := map[string]string{"the site's log": d.logged(), "the server's log": pgtest.Start(t).Log()}
	if !strings.Contains(logs["the server's log"], "ERROR") {
		t.Fatal("the server's log was not read")
	}
	address, err := url.Parse(d.address + "/staff/")
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range clerk.browser.Jar.Cookies(address) {
		personal = append(personal, cookie.Value)
	}
	for _, text := range personal {
		for name, log := range logs {
			if strings.Contains(log, text) {
				t.Errorf("%s holds %q", name, text)
			}
		}
		if tables := holding(t, super, d.Document.Database.Schema, text); slices.ContainsFunc(tables, func(table string) bool { return table != "contact" }) {
			t.Errorf("%q is in the tables %v", text, tables)
		}
	}
	if tables := holding(t, super, d.Document.Database.Schema, "Quittenbaum"); !slices.Equal(tables, []string{"contact"}) {
		t.Errorf("the search finds a name in %v: it would find nothing anywhere", tables)
	}
}

// bookByAPI books as a portal does, and gives the citizen's token.
func (d *desk) bookByAPI(t *testing.T, contact map[string]string) (token string) {
	t.Helper()
	portal := oidctest.Browser(t, d.bundle)
	call := func(method, path string, body any, want int) map[string]any {
		t.Helper()
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), method, d.address+"/api/v1"+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := portal.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer := map[string]any{}
		_ = json.NewDecoder(response.Body).Decode(&answer)
		if response.StatusCode != want {
			t.Fatalf("%s %s: %s %v", method, path, response.Status, answer)
		}
		return answer
	}
	slots := "/services/ausweis/offices/einwohneramt"
	starts, _ := call("GET", slots, nil, http.StatusOK)["starts"].([]any)
	if len(starts) == 0 {
		t.Fatal("no slot is free")
	}
	token, _ = call("POST", slots, map[string]any{"start": starts[len(starts)-1]}, http.StatusCreated)["token"].(string)
	call("PUT", "/appointment/contact", contact, http.StatusNoContent)
	call("POST", "/appointment/confirm", nil, http.StatusNoContent)
	return token
}

// bookByPhone books for a caller.
func (d *desk) bookByPhone(t *testing.T, clerk *person, family, phone string) {
	t.Helper()
	_, hidden := clerk.callForm(t)
	fields := append([]string{"given_name", "Grace", "family_name", family, "phone", phone, "notice", "yes", "language", "de"}, hidden...)
	status, page := clerk.post("/staff/offices/einwohneramt/book", fields...)
	expect(t, "booking by phone", status, http.StatusOK, page, "Der Termin ist gebucht")
}

// holding names the tables of a schema that hold a text, in whatever column.
func holding(t *testing.T, super *pgx.Conn, schema, text string) (found []string) {
	t.Helper()
	rows, err := super.Query(t.Context(), `SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'm') ORDER BY 1`, schema)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var hits int
		err := super.QueryRow(t.Context(), `SELECT count(*) FROM `+pgx.Identifier{schema, table}.Sanitize()+` AS t WHERE position($1 IN t::text) > 0`, text).Scan(&hits)
		if err != nil {
			t.Fatal(err)
		}
		if hits > 0 {
			found = append(found, table)
		}
	}
	return found
}
