// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
)

var challengeKey = []byte("0123456789abcdef0123456789abcdef")

// solve works as the browser does, for a number of leading zero bits.
func solve(challenge string, bits int) string {
	for counter := 0; ; counter++ {
		proof := challenge + "." + strconv.Itoa(counter)
		sum := sha256.Sum256([]byte(proof))
		zeros := 0
		for zeros < bits && sum[zeros/8]>>(7-zeros%8)&1 == 0 {
			zeros++
		}
		if zeros == bits {
			return proof
		}
	}
}

func TestAProofIsGoodWithItsWorkItsSignatureAndInItsTime(t *testing.T) { // B11
	now := time.Now()
	signed := booking.NewWork(now).Sign(challengeKey)
	proof := solve(signed, booking.WorkBits)
	last := signed[len(signed)-1:]
	other := "A"
	if last == other {
		other = "Q"
	}
	unworked := signed + ".0"
	for n := 1; ; n++ { // a counter that does not happen to be a solution
		if sum := sha256.Sum256([]byte(unworked)); sum[0] != 0 {
			break
		}
		unworked = signed + "." + strconv.Itoa(n)
	}
	for name, test := range map[string]struct {
		proof string
		at    time.Time
		want  booking.ProofVerdict
	}{
		"the work that was asked for":     {proof, now.Add(time.Minute), booking.ProofGood},
		"a page looked at for too long":   {proof, now.Add(31 * time.Minute), booking.ProofBad},
		"no work":                         {signed, now, booking.ProofBad},
		"too little work":                 {unworked, now, booking.ProofBad},
		"a challenge somebody else wrote": {solve(booking.NewWork(now).Sign([]byte("another key")), booking.WorkBits), now, booking.ProofBad},
		"a changed signature":             {signed[:len(signed)-1] + other + proof[len(signed):], now, booking.ProofBad},
		"a counter beyond ten digits":     {signed + "." + strings.Repeat("1", 11), now, booking.ProofBad},
		"nothing":                         {"", now, booking.ProofBad},
		"a dot":                           {".", now, booking.ProofBad},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := booking.CheckProof(challengeKey, test.proof, test.at); got != test.want {
				t.Errorf("it is %s, want %s", got, test.want)
			}
		})
	}
}

func TestATicketIsGoodAfterWaitingAndNotForEver(t *testing.T) {
	now := time.Now()
	ticket := booking.NewTicket(now).Sign(challengeKey)
	for at, want := range map[time.Duration]booking.ProofVerdict{0: booking.ProofEarly, booking.TicketWait - 2*time.Second: booking.ProofEarly,
		booking.TicketWait: booking.ProofGood, 20 * time.Minute: booking.ProofGood, 40 * time.Minute: booking.ProofBad} {
		if _, got := booking.CheckProof(challengeKey, ticket, now.Add(at)); got != want {
			t.Errorf("after %s it is %s, want %s", at, got, want)
		}
	}
	if _, got := booking.CheckProof(challengeKey, ticket+".1", now.Add(time.Minute)); got == booking.ProofGood {
		t.Error("a ticket passes for work")
	}
}

func TestTwoChallengesAreNeverTheSame(t *testing.T) {
	now := time.Now()
	if one, other := booking.NewWork(now), booking.NewWork(now); string(one.Mark()) == string(other.Mark()) || one.Sign(challengeKey) == other.Sign(challengeKey) {
		t.Error("spending one spends the other")
	}
}

func FuzzCheckProof(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add(solve(booking.NewWork(now).Sign(challengeKey), booking.WorkBits))
	f.Add(booking.NewTicket(now.Add(-time.Minute)).Sign(challengeKey))
	f.Add(strings.Repeat("A", 44) + ".1")
	f.Add("\x00.\xff")
	f.Fuzz(func(t *testing.T, proof string) {
		challenge, verdict := booking.CheckProof(challengeKey, proof, now)
		if verdict == booking.ProofGood && challenge.Sign(challengeKey) != strings.Split(proof, ".")[0] {
			t.Errorf("%q is good, and we never signed it", proof)
		}
	})
}
