// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

// swap writes a Secret's files as the kubelet does: a new directory, then one rename of the link to it.
func swap(t *testing.T, dir, generation string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, generation), 0o700))
	for name, content := range files {
		must(os.WriteFile(filepath.Join(dir, generation, name), []byte(content), 0o600))
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	must(os.Symlink(generation, filepath.Join(dir, "..new")))
	must(os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
}

// citizen books and cancels through the API until ctx ends, and tells every answer that is a fault of ours.
func citizen(ctx context.Context, site string, n int, done func(), fault func(string)) {
	call := func(method, path, token string, body any) (int, map[string]any) {
		raw, _ := json.Marshal(body)
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, "http://"+site+path, strings.NewReader(string(raw)))
		if err != nil {
			fault(err.Error())
			return 0, nil
		}
		request.Header.Set("Content-Type", "application/json")
		// Each citizen has an address of their own, so that nobody runs into the limit.
		request.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", 1+n))
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fault(method + " " + path + ": " + err.Error())
			return 0, nil
		}
		defer response.Body.Close()
		answer := map[string]any{}
		said, _ := io.ReadAll(response.Body)
		_ = json.Unmarshal(said, &answer)
		if response.StatusCode >= http.StatusInternalServerError {
			fault(fmt.Sprintf("%s %s: %d", method, path, response.StatusCode))
		}
		return response.StatusCode, answer
	}
	slots := "/api/v1/services/ausweis/offices/einwohneramt"
	token := ""
	for ctx.Err() == nil {
		status, answer := call("GET", slots, "", nil)
		starts, _ := answer["starts"].([]any)
		if status != http.StatusOK || len(starts) == 0 {
			continue
		}
		if token == "" {
			if status, answer = call("POST", slots, "", map[string]any{"start": starts[n%len(starts)]}); status == http.StatusCreated {
				token, _ = answer["token"].(string)
			}
		}
		if token != "" {
			call("PUT", "/api/v1/appointment/contact", token, map[string]any{"givenName": "Ada", "familyName": "Lovelace", "email": fmt.Sprintf("ada%d@example.org", n), "noticeDate": "2026-05-31"})
			call("GET", "/api/v1/appointment", token, nil)
		}
		done()
	}
}

func TestRotatingBothLoginsAndTheAuthorityUnderLoadFailsNoRequest(t *testing.T) { // acceptance 8
	g := NewWithT(t)
	tenant := fixture.New(t)
	path, secrets := filepath.Join(t.TempDir(), settings.FileKey), t.TempDir()
	write(t, path, tenant.Document)
	login := func(user, password string) map[string]string {
		return map[string]string{settings.UsernameKey: user, settings.PasswordKey: password}
	}
	swap(t, secrets, "..1", login(tenant.Roles().AppA, tenant.Passwords.AppA))
	ctx, stop := context.WithCancel(t.Context())
	addresses, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: secrets, StaffDir: t.TempDir(), Listen: "127.0.0.1:0", InternalListen: "127.0.0.1:0",
			Log: slog.New(slog.DiscardHandler), Listening: func(site, internal net.Addr) { addresses <- [2]string{site.String(), internal.String()} }})
	}()
	var open [2]string
	g.Eventually(addresses, "30s").Should(Receive(&open))
	var (
		load           sync.WaitGroup
		rounds, faults atomic.Int64
	)
	loading, unload := context.WithCancel(ctx)
	defer unload()
	for n := range 4 {
		load.Go(func() {
			citizen(loading, open[0], n, func() { rounds.Add(1) }, func(text string) {
				faults.Add(1)
				t.Log(text)
			})
		})
	}
	more := func() {
		from := rounds.Load()
		g.Eventually(rounds.Load, "60s", "20ms").Should(BeNumerically(">=", from+12))
	}
	super := tenant.Superuser(t)
	sessions := func(role string) func() int {
		return func() (count int) {
			_ = super.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND application_name = 'termintreu-serve'`, role).Scan(&count)
			return count
		}
	}
	more()
	// The other slot gets a password, the pods get the slot, and only then the first slot is closed: as the operator does.
	for round, slot := range []string{tenant.Roles().AppB, tenant.Roles().AppA} {
		fresh := rand.Text()
		if slot == tenant.Roles().AppB {
			tenant.Passwords.AppB = fresh
		} else {
			tenant.Passwords.AppA = fresh
		}
		tenant.Ensure(t)
		swap(t, secrets, fmt.Sprintf("..%d", round+2), login(slot, fresh))
		// A new authority stands beside the old one in the bundle; connections are made anew with it.
		tenant.Document.Database.CABundle += "\n" + tenant.Document.Database.CABundle
		write(t, path, tenant.Document)
		g.Eventually(sessions(slot), "60s", "100ms").Should(BeNumerically(">", 0))
		if slot == tenant.Roles().AppB {
			tenant.Passwords.AppA = ""
		} else {
			tenant.Passwords.AppB = ""
		}
		tenant.Ensure(t)
		more()
		closed := map[string]string{tenant.Roles().AppA: tenant.Roles().AppB, tenant.Roles().AppB: tenant.Roles().AppA}[slot]
		g.Eventually(sessions(closed), "60s", "100ms").Should(BeZero(), "nobody is left on the slot that was closed")
	}
	unload()
	load.Wait()
	g.Expect(faults.Load()).To(BeZero(), "of %d rounds", rounds.Load())
	stop()
	g.Eventually(ended, "60s").Should(Receive(BeNil()))
}
