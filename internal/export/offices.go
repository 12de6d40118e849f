// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// officeColumns of the CSV files, in this order; those a schema lacks are left out.
var officeColumns = []struct{ table, column string }{
	{"appointment", "id"}, {"appointment", "service"}, {"appointment", "channel"}, {"appointment", "starts_at"},
	{"appointment", "ends_at"}, {"appointment", "counter"}, {"appointment", "state"}, {"appointment", "locale"},
	{"contact", "given_name"}, {"contact", "family_name"}, {"contact", "email"}, {"contact", "phone"},
	{"contact", "street"}, {"contact", "postal_code"}, {"contact", "city"},
}

// offices writes the appointments of each office for a spreadsheet.
func (a *archive) offices(ctx context.Context, tx pgx.Tx, schema *live, scope Scope, hidden bool) error {
	expressions, names := schema.officeColumns()
	only := ""
	if hidden {
		only = " AND appointment.id" + notHidden
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT office COLLATE "C" AS o FROM appointment WHERE ($1 OR office = ANY ($2))`+only+` ORDER BY o`, scope.Controller == "", scope.Offices)
	if err != nil {
		return clean("reading the offices", err)
	}
	offices, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return clean("reading the offices", err)
	}
	lead, err := csvLine(names)
	if err != nil {
		return err
	}
	for _, office := range offices {
		// Names of offices are plain; one that is not must lead to no other place.
		c := &chunks{archive: a, stem: officeDir + url.PathEscape(strings.ReplaceAll(office, ".", "-")), end: ".csv", lead: lead, sum: sha256.New()}
		if err := c.office(ctx, tx, expressions, office, only); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunks) office(ctx context.Context, tx pgx.Tx, expressions, office, only string) error {
	rows, err := tx.Query(ctx, "SELECT "+expressions+` FROM appointment LEFT JOIN contact ON contact.appointment_id = appointment.id
		WHERE appointment.office = $1`+only+` ORDER BY appointment.starts_at, appointment.id`, office)
	if err != nil {
		return clean("reading an office", err)
	}
	defer rows.Close()
	for rows.Next() {
		cells := make([]string, 0, len(officeColumns))
		for _, value := range rows.RawValues() {
			cells = append(cells, harmless(string(value)))
		}
		line, err := csvLine(cells)
		if err != nil {
			return err
		}
		if err := c.add(line); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return clean("reading an office", err)
	}
	return c.flush()
}

func (s *live) officeColumns() (expressions string, names []string) {
	var parts []string
	for _, wanted := range officeColumns {
		for i := range s.tables {
			at := slices.IndexFunc(s.tables[i].columns, func(c column) bool { return c.name == wanted.column })
			if s.tables[i].name != wanted.table || at < 0 {
				continue
			}
			expression := s.tables[i].columns[at].expression()
			parts = append(parts, strings.ReplaceAll(expression, ident(wanted.column), ident(wanted.table)+"."+ident(wanted.column)))
			names = append(names, wanted.column)
		}
	}
	return strings.Join(parts, ", "), names
}

// harmless keeps a citizen's input from being run as a formula by the spreadsheet of an office.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func csvLine(cells []string) ([]byte, error) {
	var buffer bytes.Buffer
	w := csv.NewWriter(&buffer)
	w.UseCRLF = true
	if err := w.Write(cells); err != nil {
		return nil, fmt.Errorf("writing a CSV line: %w", err)
	}
	w.Flush()
	return buffer.Bytes(), nil
}
