// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
)

// Import is what a new tenant takes in before it serves.
type Import struct {
	// Store the export lies at.
	Store    v1alpha1.BackupStore
	Settings settings.Import
}

// BuildImport makes the plan of an import that is still to be done, or refuses it. The export lies under the tenant's
// own prefix, which its identities alone reach: nobody can name what another tenant has at the store (invariant 6).
func BuildImport(in Input, p *Plan) (*Import, error) {
	spec := in.Tenant.Spec.Bootstrap.Import
	at := slices.IndexFunc(p.Backup.Stores, func(s v1alpha1.BackupStore) bool { return spec.Store == "" || s.Name == spec.Store })
	if at < 0 {
		return nil, refuse(v1alpha1.ReasonInvalidImport, "spec.bootstrap.import.store %s holds no backups of this tenant: name one of the first %d backup stores of DataRegion %s, or none",
			spec.Store, len(p.Backup.Stores), p.Region.Name)
	}
	key := p.DataID + "/" + string(spec.File)
	_, start, kind, ok := objectstore.ParseKey(key)
	if !ok || !strings.HasPrefix(string(kind), ".export") {
		return nil, refuse(v1alpha1.ReasonInvalidImport, "spec.bootstrap.import.file %s names no time an export can have been begun at: keep the name it had at the old place", spec.File)
	}
	// Expiry takes an export like a backup, which would be before anybody could read it.
	if gone := start.Add(p.Backup.Period - p.Backup.ExpireAhead); !gone.After(in.Now) {
		return nil, refuse(v1alpha1.ReasonInvalidImport, "the export of %s is past the %s RetentionPolicy %s lets any copy live, so that the stores delete it: export once more at the old place, or use a policy with a longer backup period",
			start.Format(time.RFC3339), in.Policy.Spec.Backup.Period, in.Policy.Name)
	}
	made := settings.Import{
		PlanHash: p.Backup.Settings.PlanHash, DataID: p.DataID, Database: p.Backup.Settings.Database,
		Source: p.Backup.Settings.Stores[at], Key: key, SHA256: string(spec.SHA256), Offices: []string{}, Services: []string{},
	}
	for i := range in.Tenant.Spec.Catalogue.Offices {
		made.Offices = append(made.Offices, string(in.Tenant.Spec.Catalogue.Offices[i].Name))
	}
	for i := range in.Tenant.Spec.Catalogue.Services {
		made.Services = append(made.Services, string(in.Tenant.Spec.Catalogue.Services[i].Name))
	}
	return &Import{Store: p.Backup.Stores[at], Settings: made}, nil
}
