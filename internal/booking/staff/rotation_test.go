// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"crypto/rand"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/oidctest"
)

func TestExchangingTheClientSecretUnderLoadFailsNoSignInAndEndsNoSession(t *testing.T) { // acceptance 8
	d := open(t)
	early := d.signIn(t, "clerk.early")
	var (
		signedIn atomic.Int64
		ending   = make(chan struct{})
		load     sync.WaitGroup
	)
	for range 2 {
		browser := oidctest.Browser(t, d.bundle, d.provider.CABundle)
		load.Go(func() {
			for {
				select {
				case <-ending:
					return
				default:
				}
				browser.Jar = oidctest.Jar()
				status, page, err := oidctest.SignIn(browser, d.address+"/staff/login", "clerk.load")
				if err != nil || status != http.StatusOK {
					t.Errorf("a sign-in fails: status %d, error %v: %s\n%s", status, err, page, d.logged())
					return
				}
				signedIn.Add(1)
			}
		})
	}
	more := func() {
		for from := signedIn.Load(); signedIn.Load() < from+4 && !t.Failed() && t.Context().Err() == nil; {
			time.Sleep(10 * time.Millisecond)
		}
	}
	more()
	old, fresh := d.provider.Secret, rand.Text()
	d.writeSecrets(t, map[string]string{settings.ClientSecretKey: old, settings.NextClientSecretKey: fresh})
	more()
	d.provider.Exchange(t, fresh)
	more()
	d.writeSecrets(t, map[string]string{settings.ClientSecretKey: fresh})
	more()
	close(ending)
	load.Wait()
	if status, page := early.get("/staff/offices/einwohneramt"); status != http.StatusOK {
		t.Errorf("whoever was signed in before gets %d: %s", status, page)
	}
	d.writeSecrets(t, map[string]string{settings.ClientSecretKey: old})
	if status, _, err := oidctest.SignIn(oidctest.Browser(t, d.bundle, d.provider.CABundle), d.address+"/staff/login", "clerk.late"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("with the old secret alone: status %d, error %v", status, err)
	}
}
