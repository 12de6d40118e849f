// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
)

// grace is how long after a lengthening the shorter promise is still given, since an instance may still show it.
const grace = time.Hour

// unsure is how close to a boundary the model does not say what must have happened: the server's clock runs on.
const unsure = 2 * time.Minute

// promise is a period and the time from which on it was no longer given.
type promise struct {
	period time.Duration
	until  time.Duration
}

// visit is one appointment with its contact, as the model sees it. All times are since the model's beginning.
type visit struct {
	id             string
	collected, end time.Duration
	heldUntil      time.Duration
}

// history is a world of which every time is known: instead of waiting, it moves all that is stored into the past.
type history struct {
	t        *testing.T
	random   *rand.Rand
	super    *pgx.Conn
	admin    *postgres.Admin
	tenant   postgres.Tenant
	now      time.Duration
	visits   []*visit
	promises map[int][]promise // by index of the rule: 2 contacts, 3 appointments
}

const (
	contactIndex     = 2
	appointmentIndex = 3
	forever          = time.Duration(1 << 62)
)

// TestNoRecordOutlivesItsPromiseAndNoneGoesEarly plays random histories of bookings, cancellations, reschedulings,
// holds, changes of policy and purges, and holds what is left after each purge against the model.
func TestNoRecordOutlivesItsPromiseAndNoneGoesEarly(t *testing.T) {
	server, database, admin := prepared(t)
	for range 6 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := &history{
				t: t, random: rand.New(rand.NewPCG(seed, 0)), super: server.Superuser(t, database), admin: admin, tenant: newTenant(),
				promises: map[int][]promise{contactIndex: {{30 * day, forever}}, appointmentIndex: {{30 * day, forever}}},
			}
			h.tenant.Rules = h.tenant.Rules[:appointmentIndex+1]
			must(t, admin.Ensure(t.Context(), h.tenant))
			exec(t, h.super, "SET search_path = "+h.tenant.DataID)
			for range 60 {
				h.step()
			}
			h.purge()
		})
	}
}

func (h *history) step() {
	switch h.random.IntN(10) {
	case 0, 1, 2:
		h.book()
	case 3:
		h.reschedule("UPDATE appointment SET state = 'cancelled', cancelled_at = now() WHERE id = $1 AND $2::interval IS NOT NULL", 0)
	case 4:
		h.reschedule("UPDATE appointment SET starts_at = now() + $2::interval - interval '15 min', ends_at = now() + $2::interval WHERE id = $1", h.days(40))
	case 5:
		h.hold()
	case 6:
		h.change()
	case 7:
		h.purge()
	default:
		h.pass(h.days(25))
	}
}

// days is a random time of whole minutes up to so many days.
func (h *history) days(most int) time.Duration {
	return time.Duration(1+h.random.IntN(most*24*60)) * time.Minute
}

func (h *history) book() {
	v := &visit{collected: h.now, end: h.now + h.days(60)}
	v.id = value[string](h.t, h.super, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', $2, 'passport', 'OnSite', now() + $1::interval - interval '15 min', now() + $1::interval, 'confirmed', 'de', int4send($2)) RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Ada', 'Muster', current_date FROM a RETURNING appointment_id::text`,
		v.end-h.now, len(h.visits)+1)
	h.visits = append(h.visits, v)
}

// reschedule moves the end of a visit that is still to come.
func (h *history) reschedule(sql string, end time.Duration) {
	for _, v := range h.visits {
		if v.end > h.now+unsure && h.random.IntN(3) == 0 {
			exec(h.t, h.super, sql, v.id, end)
			v.end = h.now + end
			return
		}
	}
}

func (h *history) hold() {
	for _, v := range h.visits {
		if h.random.IntN(4) == 0 {
			length := h.days(50)
			n := value[int64](h.t, h.super, `SELECT open_hold('Restriction', 'case-' || $1::text, 'Contact', $1::text, now() + $2::interval)`, v.id, length)
			if n == 1 && v.heldUntil <= h.now {
				v.heldUntil = h.now + length
			} else if n == 1 {
				v.heldUntil = min(v.heldUntil, h.now+length)
			}
			return
		}
	}
}

// change gives contacts and appointments other periods; contacts never the longer one.
func (h *history) change() {
	appointment := time.Duration(5+h.random.IntN(60)) * day
	contact := min(appointment, time.Duration(5+h.random.IntN(60))*day)
	for index, period := range map[int]time.Duration{contactIndex: contact, appointmentIndex: appointment} {
		given := h.promises[index]
		last := &given[len(given)-1]
		if period == last.period {
			continue
		}
		last.until = h.now + grace
		if period < last.period {
			last.until = h.now
		}
		h.promises[index] = append(given, promise{period, forever})
		h.tenant.Rules[index].Period = period
	}
	must(h.t, h.admin.Ensure(h.t.Context(), h.tenant))
}

// pass moves everything into the past.
func (h *history) pass(d time.Duration) {
	h.now += d
	for _, sql := range []string{
		`UPDATE contact SET created_at = created_at - $1::interval`,
		`UPDATE appointment SET created_at = created_at - $1::interval, starts_at = starts_at - $1::interval, ends_at = ends_at - $1::interval, cancelled_at = cancelled_at - $1::interval`,
		`UPDATE retention_rule SET effective_from = effective_from - $1::interval, until = until - $1::interval`,
		`UPDATE retention_hold SET opened_at = opened_at - $1::interval, until = until - $1::interval`,
	} {
		exec(h.t, h.super, sql, d)
	}
}

// due is the shortest promise given since the visit was collected, counted from its end.
func (h *history) due(v *visit, index int) time.Duration {
	shortest := forever / 2
	for _, p := range h.promises[index] {
		if v.collected < p.until {
			shortest = min(shortest, p.period)
		}
	}
	return v.end + shortest
}

func (h *history) purge() {
	for _, category := range []string{"Contact", "Appointment"} {
		for value[int64](h.t, h.super, `SELECT purge($1, 3, gen_random_uuid())`, category) == 3 {
			continue
		}
	}
	for n, v := range h.visits {
		var contact, appointment bool
		must(h.t, h.super.QueryRow(h.t.Context(), `SELECT EXISTS (SELECT FROM contact WHERE appointment_id = $1), EXISTS (SELECT FROM appointment WHERE id = $1)`,
			v.id).Scan(&contact, &appointment))
		h.expect(fmt.Sprintf("contact %d", n), v, contact, min(h.due(v, contactIndex), h.due(v, appointmentIndex)))
		h.expect(fmt.Sprintf("appointment %d", n), v, appointment, h.due(v, appointmentIndex))
		if !contact && !appointment {
			v.heldUntil, v.collected = 0, -forever/2 // Gone, and due from now on, whatever is promised later.
			v.end = -forever / 4
		}
	}
}

func (h *history) expect(what string, v *visit, there bool, due time.Duration) {
	h.t.Helper()
	held := v.heldUntil > h.now
	if near(h.now, due) || v.heldUntil > 0 && near(h.now, v.heldUntil) {
		return
	}
	switch {
	case there && h.now > due && !held:
		h.t.Errorf("%s outlived its promise by %s", what, h.now-due)
	case !there && h.now < due:
		h.t.Errorf("%s went %s early", what, due-h.now)
	case !there && held && v.end > -forever/8:
		h.t.Errorf("%s went although it was held for another %s", what, v.heldUntil-h.now)
	}
}

func near(a, b time.Duration) bool { return a-b < unsure && b-a < unsure }
