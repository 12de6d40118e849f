// SPDX-License-Identifier: Apache-2.0

package web

import (
	_ "embed"
	"net/http"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

const (
	scriptPath = "/assets/challenge.js"
	// contentSecurityPolicyWithWork lets the one script of ours run that does the work; it talks to nobody.
	contentSecurityPolicyWithWork = contentSecurityPolicy + "; script-src 'self'"

	// Whoever waits instead of working does so more seldom.
	waitBurst  = 6
	waitRefill = 2 * time.Minute
)

//go:embed challenge.js
var script []byte

var errWork = problem{Title: "challenge.api", Status: http.StatusPreconditionRequired}

// asksForWork tells whether a hold costs something here (B11).
func asksForWork(snapshot *booking.Snapshot) bool {
	return snapshot.Challenge == v1alpha1.ChallengeProofOfWork
}

func (s *Site) serveScript(w http.ResponseWriter, r *http.Request) {
	if !asksForWork(s.Snapshot()) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(script)
}

func scriptAddress() string { return versioned(scriptPath, script) }

// challenge gives a page or an answer something to work on; empty where nothing is asked for.
func (s *Site) challenge(r *request) (string, error) {
	if !asksForWork(r.snapshot) {
		return "", nil
	}
	key, err := s.Store.ChallengeKey(r.Context())
	if err != nil {
		return "", err
	}
	return booking.NewWork(s.Clock()).Sign(key), nil
}

// charge puts a challenge into a page of slots.
func (s *Site) charge(r *request, body *slotsBody) (err error) {
	if body.Challenge, err = s.challenge(r); body.Challenge != "" {
		body.Bits, body.Script = booking.WorkBits, scriptAddress()
	}
	return err
}

// work checks what a hold was paid with; nil where nothing is asked for. On anything but ProofGood there is no hold.
func (s *Site) work(r *request, proof string) (*store.Work, booking.ProofVerdict, error) {
	if !asksForWork(r.snapshot) {
		return nil, booking.ProofGood, nil
	}
	key, err := s.Store.ChallengeKey(r.Context())
	if err != nil {
		return nil, booking.ProofBad, err
	}
	challenge, verdict := booking.CheckProof(key, proof, s.Clock())
	return &store.Work{Mark: challenge.Mark(), Expires: challenge.Expires}, verdict, nil
}

// waitBody is a hold that waits: the form again, with a ticket in place of work.
type waitBody struct {
	choice
	Action, Nonce, Start, Ticket string
	Seconds                      int
	Early                        bool
	All                          string
}

// wait is the way without JavaScript: a page whose button works after a few seconds, and once. Each address gets few.
func (s *Site) wait(w http.ResponseWriter, r *request, wanted choice, verdict booking.ProofVerdict) error {
	ticket, status := r.PostForm.Get(string(booking.FieldProof)), http.StatusTooEarly
	if verdict != booking.ProofEarly {
		if !s.waiting.Allow(ClientAddress(r.Request)) {
			w.Header().Set("Retry-After", "120")
			return s.message(w, r, http.StatusTooManyRequests, "busy.title", "busy.lead")
		}
		key, err := s.Store.ChallengeKey(r.Context())
		if err != nil {
			return err
		}
		ticket, status = booking.NewTicket(s.Clock()).Sign(key), http.StatusOK
	}
	all := slotsAddress(r.locale.Tag, wanted.Service, wanted.Office)
	body := waitBody{choice: wanted, Action: all + "/hold", Nonce: r.PostForm.Get(string(booking.FieldNonce)),
		Start: r.PostForm.Get(string(booking.FieldStart)), Ticket: ticket, Seconds: int(booking.TicketWait / time.Second),
		Early: verdict == booking.ProofEarly, All: all}
	return s.render(w, r, status, "wait", view{title: "challenge.title", Step: 1, Controllers: controllersOf(r.snapshot, wanted.Office),
		path: slotsPath(wanted.Service, wanted.Office), Body: body})
}
