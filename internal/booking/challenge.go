// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strings"
	"time"
)

const (
	// WorkBits are the leading zero bits a proof of work has: about sixty thousand hashes, a moment for a browser.
	WorkBits = 16
	// workLifetime is how long a page may be looked at before its challenge expires.
	workLifetime = 30 * time.Minute
	// TicketWait is how long whoever has no JavaScript waits instead, and ticketLifetime how long they may take, waiting
	// included: both count from the page they wait on.
	TicketWait     = 8 * time.Second
	ticketLifetime = 30 * time.Minute

	challengeID   = 12
	challengeMAC  = 12
	challengeBody = challengeID + 4 + 4 + 1
	// With its challenge and a dot, a counter of this many digits fits one block of SHA-256.
	maxCounter = 10
)

// Challenge is what a hold costs: work, or waiting. It is nowhere stored, only signed; what was spent is.
type Challenge struct {
	// NotBefore is when it can be used; zero for at once.
	NotBefore, Expires time.Time
	// Bits of work; zero for a ticket, which costs waiting.
	Bits uint8
	id   [challengeID]byte
}

// NewWork is a challenge to be solved by work.
func NewWork(now time.Time) Challenge {
	return newChallenge(Challenge{Expires: now.Add(workLifetime), Bits: WorkBits})
}

// NewTicket is a challenge that is solved by waiting.
func NewTicket(now time.Time) Challenge {
	return newChallenge(Challenge{NotBefore: now.Add(TicketWait), Expires: now.Add(ticketLifetime)})
}

func newChallenge(challenge Challenge) Challenge {
	_, _ = rand.Read(challenge.id[:]) // never fails, by its documentation
	return challenge
}

// Sign writes a challenge so that nobody without the key can make one.
func (c Challenge) Sign(key []byte) string {
	raw := append([]byte{}, c.id[:]...)
	raw = binary.BigEndian.AppendUint32(raw, seconds(c.NotBefore))
	raw = binary.BigEndian.AppendUint32(raw, seconds(c.Expires))
	raw = append(raw, c.Bits)
	return base64.RawURLEncoding.EncodeToString(append(raw, challengeSum(key, raw)...))
}

// Mark is what is kept of a challenge that was spent: a hash, which tells nothing of who spent it.
func (c Challenge) Mark() []byte {
	sum := sha256.Sum256(c.id[:])
	return sum[:]
}

func seconds(at time.Time) uint32 {
	if at.IsZero() {
		return 0
	}
	return uint32(at.Unix())
}

func challengeSum(key, raw []byte) []byte {
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte("termintreu challenge, version 1"))
	sum.Write(raw)
	return sum.Sum(nil)[:challengeMAC]
}

// ProofVerdict tells what a proof is worth.
type ProofVerdict string

// Verdicts of proofs.
const (
	ProofGood ProofVerdict = "good"
	// ProofEarly is a ticket whose time has not come.
	ProofEarly ProofVerdict = "early"
	// ProofBad is none at all, a forged or an expired one, or one without the work.
	ProofBad ProofVerdict = "bad"
)

// CheckProof reads a proof: a challenge, and for work a dot and a decimal counter such that the SHA-256 of the whole has
// as many leading zero bits as were asked for. Whether it was spent before is the database's to say.
func CheckProof(key []byte, proof string, now time.Time) (Challenge, ProofVerdict) {
	signed, counter, worked := strings.Cut(proof, ".")
	challenge, genuine := openChallenge(key, signed)
	switch {
	case !genuine || !now.Before(challenge.Expires):
		return Challenge{}, ProofBad
	case now.Before(challenge.NotBefore):
		return challenge, ProofEarly
	case challenge.Bits == 0 && !worked:
		return challenge, ProofGood
	case challenge.Bits > 0 && worked && len(counter) <= maxCounter && zeros(sha256.Sum256([]byte(proof))) >= int(challenge.Bits):
		return challenge, ProofGood
	}
	return Challenge{}, ProofBad
}

func openChallenge(key []byte, text string) (challenge Challenge, genuine bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != challengeBody+challengeMAC || !hmac.Equal(raw[challengeBody:], challengeSum(key, raw[:challengeBody])) {
		return Challenge{}, false
	}
	copy(challenge.id[:], raw)
	if from := binary.BigEndian.Uint32(raw[challengeID:]); from > 0 {
		challenge.NotBefore = time.Unix(int64(from), 0)
	}
	challenge.Expires = time.Unix(int64(binary.BigEndian.Uint32(raw[challengeID+4:])), 0)
	challenge.Bits = raw[challengeBody-1]
	return challenge, true
}

func zeros(sum [sha256.Size]byte) int {
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}
