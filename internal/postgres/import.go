// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"time"
)

// BeginImport is BeginRestore for what a tenant begins with: a tenant that holds anything of citizens is refused, since
// the swap would drop it. Unproven tells that refusal. FinishRestore and AbortRestore end it.
func (a *Admin) BeginImport(ctx context.Context, dataID, name, password string, expires time.Time) error {
	return a.begin(ctx, dataID, name, password, expires, fmt.Sprintf(refuseFilledSQL, ident(dataID)))
}

// refuseFilledSQL looks where everything of citizens hangs, and where those who were erased are remembered. What a site
// that says it is not there yet has logged of its visitors is no reason.
const refuseFilledSQL = `DO $filled$ BEGIN
	IF EXISTS (SELECT FROM %[1]s.appointment) OR EXISTS (SELECT FROM %[1]s.appointment_count) OR EXISTS (SELECT FROM %[1]s.consent)
			OR EXISTS (SELECT FROM %[1]s.erasure_journal) THEN
		RAISE EXCEPTION 'the tenant already holds records, which an import would replace';
	END IF;
END $filled$;
`
