// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/settings"
)

// The two cookies of the staff side; citizens have none (B5). The prefix keeps other hosts of the domain from setting
// them, and lets browsers send them over TLS only.
const (
	sessionCookie = "__Host-termintreu-staff"
	attemptCookie = "__Host-termintreu-signin"
	attemptTime   = 10 * time.Minute
)

func setCookie(w http.ResponseWriter, name, value string, age time.Duration, site http.SameSite) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()), HttpOnly: true, Secure: true, SameSite: site})
}

func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
}

// csrfOf is what every form of a session carries. It comes from the cookie, which no other site can read.
func csrfOf(secret string) string {
	sum := sha256.Sum256([]byte("termintreu staff form\x00" + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// identify finds who is signed in; the zero Staff when nobody is, or when every role has been taken away.
func (d *Desk) identify(r *request) (booking.Staff, string, error) {
	sent := r.CookiesNamed(sessionCookie)
	if len(sent) != 1 || sent[0].Value == "" {
		return booking.Staff{}, "", nil
	}
	cookie := sent[0]
	session, err := d.Store.Session(r.Context(), cookie.Value)
	if errors.Is(err, store.ErrNotFound) {
		return booking.Staff{}, "", nil
	}
	if err != nil {
		return booking.Staff{}, "", err
	}
	who := booking.NewStaff(r.snapshot.Staff, session.Subject, session.Claims)
	if len(who.Roles) == 0 {
		return booking.Staff{}, "", nil
	}
	return who, cookie.Value, nil
}

// genuine tells whether a form is one of ours, made for this session.
func genuine(r *request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(r.csrf)) == 1
}

// signIn sends the browser to the identity provider.
func (d *Desk) signIn(w http.ResponseWriter, r *request) error {
	if !d.Limit.Allow(d.Address(r.Request)) {
		w.Header().Set("Retry-After", "60")
		return d.message(w, r, http.StatusTooManyRequests, "busy.title", "busy.lead")
	}
	began := newAttempt()
	address, err := d.providers.address(r.Context(), r.snapshot.Staff, callbackOf(r.snapshot), began)
	if err != nil {
		d.Log.Error("sign-in not possible", "error", err.Error())
		return d.message(w, r, http.StatusServiceUnavailable, "staff.signin_title", "staff.signin_away")
	}
	// Lax, since the provider's answer comes from another site.
	setCookie(w, attemptCookie, began.String(), attemptTime, http.SameSiteLaxMode)
	http.Redirect(w, r.Request, address, http.StatusSeeOther)
	return nil
}

func callbackOf(snapshot *booking.Snapshot) string { return snapshot.URL + "/staff/callback" }

// callback is where the identity provider sends the browser back to. It answers with a page rather than a redirect: a
// strict cookie is not sent along a way that began at another site.
func (d *Desk) callback(w http.ResponseWriter, r *request) error {
	dropCookie(w, attemptCookie)
	failed := func(status int, lead string) error { return d.message(w, r, status, "staff.signin_title", lead) }
	cookie, err := r.Cookie(attemptCookie)
	if err != nil {
		return failed(http.StatusBadRequest, "staff.signin_failed")
	}
	query := r.URL.Query()
	began, ok := readAttempt(cookie.Value)
	if !ok || !began.matches(query.Get("state")) || query.Get("code") == "" {
		return failed(http.StatusBadRequest, "staff.signin_failed")
	}
	secrets, err := settings.ReadClientSecrets(d.SecretDir)
	if err != nil {
		d.Log.Error("sign-in not possible", "error", err.Error())
		return failed(http.StatusServiceUnavailable, "staff.signin_away")
	}
	subject, claims, err := d.providers.redeem(r.Context(), r.snapshot.Staff, callbackOf(r.snapshot), query.Get("code"), began, secrets)
	if err != nil {
		d.Log.Error("sign-in failed", "error", err.Error())
		if errors.Is(err, errSignIn) {
			return failed(http.StatusForbidden, "staff.signin_failed")
		}
		return failed(http.StatusServiceUnavailable, "staff.signin_away")
	}
	// Only what gives a role is kept: the other groups of a person are none of our business.
	claims = slices.DeleteFunc(claims, func(claim string) bool {
		return len(booking.NewStaff(r.snapshot.Staff, subject, []string{claim}).Roles) == 0
	})
	if len(claims) == 0 {
		return failed(http.StatusForbidden, "staff.signin_no_role")
	}
	secret := booking.NewNonce()
	if err := d.Store.StartSession(r.Context(), secret, subject, claims); err != nil {
		return err
	}
	setCookie(w, sessionCookie, secret, 0, http.SameSiteStrictMode)
	return d.render(w, r, http.StatusOK, "signedin", page{Title: r.locale.Say("staff.signedin_title")})
}

func (d *Desk) signOut(w http.ResponseWriter, r *request) error {
	if err := d.Store.EndSession(r.Context(), r.session); err != nil {
		return err
	}
	dropCookie(w, sessionCookie)
	return d.message(w, r, http.StatusOK, "staff.signedout_title", "staff.signedout_lead")
}
