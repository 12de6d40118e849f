// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/settings"
)

// guarded is a site that asks for work, and a way to let time pass for it.
func guarded(t *testing.T) (*site, func(time.Duration)) {
	t.Helper()
	tenant := fixture.New(t, func(document *settings.Instance) { document.Challenge = v1alpha1.ChallengeProofOfWork })
	running := &site{Tenant: tenant}
	var passed atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	server := httptest.NewServer(web.New(web.Options{Snapshot: func() *booking.Snapshot { return tenant.Snapshot(t) }, Store: tenant.Store, Clock: clock,
		Log: slog.New(slog.NewJSONHandler(running, nil)), Limit: web.NewLimiter(100, time.Hour, clock)}).Handler())
	t.Cleanup(server.Close)
	running.address = server.URL
	return running, func(more time.Duration) { passed.Add(int64(more)) }
}

// work finds a counter as the script does.
func work(challenge string) string {
	for counter := 0; ; counter++ {
		proof := challenge + "." + strconv.Itoa(counter)
		if sum := sha256.Sum256([]byte(proof)); sum[0] == 0 && sum[1] == 0 {
			return proof
		}
	}
}

// lastSlot is that of a page which will not begin while the test lets time pass.
func lastSlot(t *testing.T, page answer) url.Values {
	t.Helper()
	form := slotForm(t, page)
	form.Set("start", find(t, page.body, `(?s).*name="start" value="([^"]+)"`))
	return form
}

const challenged = `data-challenge="([^"]+)" data-bits="16"`

func TestWithoutBeingDeclaredNothingIsChallengedAndNoScriptRuns(t *testing.T) { // B5
	site := start(t, fixture.New(t), 50)
	page := site.get(t, "/de"+slots)
	if strings.Contains(page.body, "challenge") || strings.Contains(page.body, "<script") || strings.Contains(page.header.Get("Content-Security-Policy"), "script") {
		t.Error("a page holds a challenge or a script")
	}
	if got := site.get(t, "/assets/challenge.js"); got.status != http.StatusNotFound {
		t.Errorf("the script answers %d", got.status)
	}
	if week := site.call(t, http.MethodGet, apiSlots, "", ""); strings.Contains(week.body, "challenge") {
		t.Error("the API asks for work")
	}
}

func TestAHoldCostsWorkOncePerHoldAndInItsTime(t *testing.T) { // B11
	site, pass := guarded(t)
	page := site.get(t, "/de"+slots)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %s", policy)
	}
	if script := site.get(t, find(t, page.body, `<script src="([^"]+)"`)); script.status != http.StatusOK || strings.Contains(script.body, "fetch") {
		t.Errorf("the script answers %d", script.status)
	}
	form := lastSlot(t, page)
	refused := func(what string) {
		t.Helper()
		got := site.do(t, http.MethodPost, "/de"+slots+"/hold", form)
		got.contains(t, "Bitte warten Sie einen Augenblick", "noch nicht für Sie reserviert")
		if got.status != http.StatusOK || site.rows(t) != "" {
			t.Errorf("%s: status %d", what, got.status)
		}
	}
	challenge := find(t, page.body, challenged)
	form.Set("proof", challenge+".x")
	refused("wrong work")
	form.Set("proof", work(strings.Repeat("A", 44)))
	refused("a forged challenge")
	form.Set("proof", work(challenge))
	pass(31 * time.Minute)
	refused("an expired challenge")
	page = site.get(t, "/de"+slots)
	form = lastSlot(t, page)
	form.Set("proof", work(find(t, page.body, challenged)))
	held := site.follow(t, "/de"+slots+"/hold", form)
	if again := site.follow(t, "/de"+slots+"/hold", form); again != held {
		t.Error("pressing twice leads elsewhere")
	}
	// Replayed for another slot, or from another page, it buys nothing.
	form.Set("nonce", booking.NewNonce())
	got := site.do(t, http.MethodPost, "/de"+slots+"/hold", form)
	got.contains(t, "Bitte warten Sie einen Augenblick")
	var holds int
	if err := site.Superuser(t).QueryRow(t.Context(), `SELECT count(*) FROM appointment`).Scan(&holds); err != nil || holds != 1 {
		t.Errorf("%d holds for one proof, error %v", holds, err)
	}
}

func TestWithoutJavaScriptACitizenWaitsAFewSecondsInstead(t *testing.T) {
	site, pass := guarded(t)
	form := lastSlot(t, site.get(t, "/en"+slots))
	form.Set("proof", "")
	page := site.do(t, http.MethodPost, "/en"+slots+"/hold", form)
	page.contains(t, "Wait 8 seconds and then continue", "without picture puzzles")
	for field := range form {
		form.Set(field, find(t, page.body, `name="`+field+`" value="([^"]+)"`))
	}
	early := site.do(t, http.MethodPost, "/en"+slots+"/hold", form)
	early.contains(t, "a little too early", form.Get("proof"))
	if early.status != http.StatusTooEarly {
		t.Errorf("status %d", early.status)
	}
	pass(9 * time.Second)
	held := site.follow(t, "/en"+slots+"/hold", form)
	if again := site.follow(t, "/en"+slots+"/hold", form); again != held {
		t.Error("pressing twice leads elsewhere")
	}
	site.get(t, held).contains(t, "Your details")
	form.Set("nonce", booking.NewNonce())
	if replayed := site.do(t, http.MethodPost, "/en"+slots+"/hold", form); replayed.status == http.StatusSeeOther {
		t.Error("a ticket is used twice")
	}
}

func TestWhoeverWaitsGetsFewTickets(t *testing.T) {
	site, _ := guarded(t)
	form := lastSlot(t, site.get(t, "/de"+slots))
	last := 0
	for range 8 {
		last = site.do(t, http.MethodPost, "/de"+slots+"/hold", form).status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the eighth answers %d", last)
	}
	page := site.get(t, "/de"+slots)
	form = lastSlot(t, page)
	form.Set("proof", work(find(t, page.body, challenged)))
	site.follow(t, "/de"+slots+"/hold", form) // who works is not held up
}

func TestAPortalWorksForItsHoldsThroughTheAPI(t *testing.T) {
	site, _ := guarded(t)
	var week struct {
		Starts    []string
		Challenge string
		Bits      int
	}
	site.call(t, http.MethodGet, apiSlots, "", "").into(t, http.StatusOK, &week)
	if week.Bits != booking.WorkBits {
		t.Fatalf("%d bits are asked for", week.Bits)
	}
	wish := func(start, proof string) string { return `{"start": "` + start + `", "proof": "` + proof + `"}` }
	proof := work(week.Challenge)
	site.call(t, http.MethodPost, apiSlots, "", `{"start": "`+week.Starts[0]+`"}`).into(t, http.StatusPreconditionRequired, nil)
	site.call(t, http.MethodPost, apiSlots, "", wish(week.Starts[0], week.Challenge)).into(t, http.StatusPreconditionRequired, nil)
	site.call(t, http.MethodPost, apiSlots, "", wish(week.Starts[0], proof)).into(t, http.StatusCreated, nil)
	site.call(t, http.MethodPost, apiSlots, "", wish(week.Starts[1], proof)).into(t, http.StatusPreconditionRequired, nil)
}

func TestASpentChallengeIsForgottenOnceItHasExpired(t *testing.T) {
	site, _ := guarded(t)
	page := site.get(t, "/de"+slots)
	form := lastSlot(t, page)
	form.Set("proof", work(find(t, page.body, challenged)))
	site.follow(t, "/de"+slots+"/hold", form)
	super := site.Superuser(t)
	for _, want := range []int{1, 0} {
		if _, err := site.Store.Expire(t.Context(), site.Snapshot(t).Expiry); err != nil {
			t.Fatal(err)
		}
		var spent int
		if err := super.QueryRow(t.Context(), `SELECT count(*) FROM challenge_spent`).Scan(&spent); err != nil || spent != want {
			t.Errorf("%d are remembered, want %d, error %v", spent, want, err)
		}
		if _, err := super.Exec(t.Context(), `UPDATE challenge_spent SET expires_at = now() - interval '1 second'`); err != nil {
			t.Fatal(err)
		}
	}
}
