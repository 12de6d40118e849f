// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// auditChunk is how many schemas the audit locks before it commits: about 30 locks each.
const auditChunk = 50

// Audit is what was measured of every tenant of a database.
type Audit struct {
	// MeasuredAt is the start of the measurement by the database's clock.
	MeasuredAt time.Time
	Tenants    []TenantAudit
}

// TenantAudit is what was measured of one tenant. Err is set when its schema could not be read: nothing else below
// LastPurge is known then, and zero must not be concluded from it (invariant 7).
type TenantAudit struct {
	Registered
	Err error
	// Unmapped are the columns, as table.column, that the data map gives no category the purge looks after (M3).
	Unmapped []string
	// Runs are the last purges, newest first.
	Runs []Run
	// LastPurge is when the last category that has a rule was last found free of due records; nil when one never was.
	LastPurge  *time.Time
	Categories []CategoryAudit
	// Erasures is nil while the database was not told how long one may wait.
	Erasures *ErasureAudit
	// RestoreTest is nil before the first.
	RestoreTest *RestoreTest
	// ScratchLeft tells that a killed restore test left a copy of the data.
	ScratchLeft bool
}

// ErasureAudit counts the erasures on request that wait for a store to confirm their journal.
type ErasureAudit struct {
	// Overdue ones wait for longer than the tenant's EraseWithin. Oldest is when the first of all was asked for.
	Waiting int64      `json:"waiting"`
	Overdue int64      `json:"overdue"`
	Oldest  *time.Time `json:"oldest"`
}

// RestoreTest is the last restore of a backup into a scratch schema.
type RestoreTest struct {
	// TestedAt is when, and Differing how many tables were not equal to what they were taken from.
	TestedAt  time.Time `json:"tested_at"`
	Differing int32     `json:"differing"`
	// ProvenAt is when all were for the last time, nil when they never were; the others tell of that time.
	ProvenAt      *time.Time `json:"proven_at"`
	SnapshotStart *time.Time `json:"snapshot_start"`
	Tables        int32      `json:"tables"`
	Rows          int64      `json:"rows"`
	Seconds       float64    `json:"seconds"`
}

// Run is one purge over all categories. FinishedAt is nil while something that was due is left.
type Run struct {
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Removed    int64      `json:"removed"`
}

// CategoryAudit counts the records of one category the schema stores.
type CategoryAudit struct {
	Category v1alpha1.Category
	// Uncovered tells that no rule gives a period; Period and Action are empty then and nothing counts as overdue.
	Uncovered bool
	Period    time.Duration
	Action    v1alpha1.Action
	// Rows stored, a large table's counted up to 1,000; of AccessLog under Strip only those that still hold an address or a user agent.
	Rows int64
	// Due records are past their period; Overdue ones are past the tolerance too. Neither counts what a hold keeps.
	Due, Overdue int64
	// Held is the number of holds on records of the category.
	Held int64
	// Oldest is the earliest start event, nil when nothing is stored.
	Oldest *time.Time
	// Removed by the last finished purge, at PurgedAt; nil when none ever finished.
	Removed  int64
	PurgedAt *time.Time
	// NextDue is the earliest moment a record can fall due.
	NextDue *time.Time
	// Since is when the rule came into force as it stands.
	Since *time.Time
	// SuspendedUntil is set while the purge is paused.
	SuspendedUntil *time.Time
	// Archived is nil where no rule hands over.
	Archived *ArchivedAudit
}

// ArchivedAudit is what became of a category whose rule hands over.
type ArchivedAudit struct {
	// Period the archives keep records for.
	Period time.Duration
	// Records the archives hold, by their receipts; At is when the last came there, Until when the last may go.
	Records   int64
	At, Until *time.Time
	// Failure of the last record that was not handed over: the archive's name and a class.
	Failure string
}

type archivedDocument struct {
	Category v1alpha1.Category `json:"category"`
	Keeps    float64           `json:"keeps"`
	Records  int64             `json:"records"`
	At       *time.Time        `json:"at"`
	Until    *time.Time        `json:"until"`
	Failure  string            `json:"failure"`
}

// auditDocument is what the database reports. What it reports as null, it leaves out.
type auditDocument struct {
	MeasuredAt time.Time     `json:"measured_at"`
	Tenants    tenantReports `json:"tenants"`
}

// tenantReports are read one by one, so that of a large report no second form comes to be.
type tenantReports []TenantAudit

// UnmarshalJSON reads an array of tenantDocuments.
func (r *tenantReports) UnmarshalJSON(array []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(array))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		document := tenantDocument{}
		if err := decoder.Decode(&document); err != nil {
			return err
		}
		*r = append(*r, document.audit())
	}
	return nil
}

type tenantDocument struct {
	DataID        string             `json:"data_id"`
	Namespace     string             `json:"namespace"`
	Name          string             `json:"name"`
	UID           string             `json:"uid"`
	SpecHash      string             `json:"spec_hash"`
	SchemaVersion int64              `json:"schema_version"`
	RetainedSince *time.Time         `json:"retained_since"`
	RetainedUntil *time.Time         `json:"retained_until"`
	Categories    []categoryDocument `json:"categories"`
	Failure       string             `json:"failure"`
	Unmapped      []string           `json:"unmapped"`
	Runs          []Run              `json:"runs"`
	Erasures      *ErasureAudit      `json:"erasures"`
	RestoreTest   *RestoreTest       `json:"restore_test"`
	Scratch       bool               `json:"scratch"`
	Archived      []archivedDocument `json:"archived"`
}

type categoryDocument struct {
	Category v1alpha1.Category `json:"category"`
	Period   *float64          `json:"period"`
	Action   v1alpha1.Action   `json:"action"`
	Stored   int64             `json:"stored"`
	Due      int64             `json:"due"`
	Overdue  int64             `json:"overdue"`
	Oldest   *time.Time        `json:"oldest"`
	Removed  int64             `json:"removed"`
	PurgedAt *time.Time        `json:"purged_at"`
	Held     int64             `json:"held"`
	NextDue  *time.Time        `json:"next_due"`
	Since    *time.Time        `json:"since"`

	SuspendedUntil *time.Time `json:"suspended_until"`
}

// Audit measures every tenant of the database in one round trip.
func (a *Admin) Audit(ctx context.Context) (*Audit, error) {
	document, err := a.callAudit(ctx)
	if err != nil {
		return nil, fmt.Errorf("auditing database %s: %w", a.name, err)
	}
	return &Audit{MeasuredAt: document.MeasuredAt, Tenants: document.Tenants}, nil
}

func (d *tenantDocument) audit() TenantAudit {
	tenant := TenantAudit{Registered: Registered{
		DataID: d.DataID, Namespace: d.Namespace, Name: d.Name, UID: d.UID, SpecHash: d.SpecHash,
		SchemaVersion: d.SchemaVersion, RetainedSince: d.RetainedSince, RetainedUntil: d.RetainedUntil,
	}}
	switch {
	case d.Failure != "":
		tenant.Err = fmt.Errorf("schema %s cannot be read (SQLSTATE %s)", d.DataID, d.Failure)
	case len(d.Categories) == 0:
		tenant.Err = fmt.Errorf("schema %s stores no category", d.DataID)
	default:
		tenant.Unmapped, tenant.Runs = d.Unmapped, d.Runs
		tenant.Erasures, tenant.RestoreTest, tenant.ScratchLeft = d.Erasures, d.RestoreTest, d.Scratch
		tenant.measure(d.Categories)
		tenant.addArchived(d.Archived)
	}
	return tenant
}

// callAudit tries again if its connection turns out to be dead. The report is read where it was received: of hundreds of
// tenants it is large.
func (a *Admin) callAudit(ctx context.Context) (document auditDocument, err error) {
	for range 2 {
		document = auditDocument{}
		err = a.auditor.QueryRow(ctx, "CALL termintreu.audit($1, NULL)", auditChunk).Scan(&document)
		if err == nil || ctx.Err() != nil || !wasDead(err) {
			break
		}
	}
	return document, err
}

// wasDead tells a connection that had ended from a server that cannot be reached or answers with an error.
func wasDead(err error) bool {
	var unreachable *pgconn.ConnectError
	var fault *pgconn.PgError
	var foreign *ForeignServerError
	switch {
	case errors.As(err, &foreign):
		return false
	case errors.As(err, &unreachable):
		return false
	case errors.As(err, &fault):
		return strings.HasPrefix(fault.Code, "57P") // shut down, crashed, or terminated by an administrator
	}
	return true
}

// Slow tells a database that did not answer in time from one that cannot be reached or refuses the login.
func Slow(err error) bool {
	var fault *pgconn.PgError
	canceled := errors.As(err, &fault) && fault.Code == "57014"
	return canceled || pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)
}

func (t *TenantAudit) addArchived(archived []archivedDocument) {
	for _, a := range archived {
		for i := range t.Categories {
			if t.Categories[i].Category == a.Category {
				t.Categories[i].Archived = &ArchivedAudit{
					Period: time.Duration(a.Keeps * float64(time.Second)), Records: a.Records, At: a.At, Until: a.Until, Failure: a.Failure,
				}
			}
		}
	}
}

func (t *TenantAudit) measure(categories []categoryDocument) {
	everPurged := true
	t.Categories = make([]CategoryAudit, 0, len(categories))
	for _, c := range categories {
		category := CategoryAudit{
			Category: c.Category, Uncovered: c.Period == nil, Action: c.Action, Rows: c.Stored,
			Due: c.Due, Overdue: c.Overdue, Oldest: c.Oldest, Removed: c.Removed, PurgedAt: c.PurgedAt,
			Held: c.Held, NextDue: c.NextDue, Since: c.Since, SuspendedUntil: c.SuspendedUntil,
		}
		if c.Period != nil {
			category.Period = time.Duration(*c.Period * float64(time.Second))
			everPurged = everPurged && c.PurgedAt != nil
		}
		if c.Period != nil && c.PurgedAt != nil && (t.LastPurge == nil || c.PurgedAt.Before(*t.LastPurge)) {
			t.LastPurge = c.PurgedAt
		}
		t.Categories = append(t.Categories, category)
	}
	if !everPurged {
		t.LastPurge = nil
	}
}
