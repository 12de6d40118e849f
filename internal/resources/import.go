// SPDX-License-Identifier: Apache-2.0

package resources

import (
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// ComponentImport takes an export into a new tenant, in the platform namespace.
	ComponentImport Component = "import"
	// AnnotationImport is a digest of what the import was made from: another one is another import.
	AnnotationImport = "booking.termintreu.dev/import"
)

// ImportInput is what an import needs beside the plan.
type ImportInput struct {
	Import plan.Import
	// Made is the value of AnnotationImport.
	Made string
	// Credentials of the login that owns the quarantine.
	Credentials settings.Credentials
	// Keys of the tenant's writer, which can read what it knows the name of, and neither list nor delete.
	Keys objectstore.Keys
	// Identity is the age secret key; empty when its holder is asked.
	Identity []byte
}

// ImportName names every object of an import in the platform namespace.
func ImportName(p *plan.Plan) string { return p.DataID + "-import" }

// ImportLimit is how many seconds the job may run.
func ImportLimit(in ImportInput) int64 { return keyLimit(in.Identity) }

// ImportObjects are Secret, ConfigMap and Job of an import, in the order of applying. They are removed with it: no key
// outlives what it was for.
func ImportObjects(p *plan.Plan, in ImportInput) []Object {
	keys := map[string][]byte{}
	addKeys(keys, in.Import.Store.Name, in.Keys)
	document := in.Import.Settings
	document.Offline = len(in.Identity) == 0
	return importOf(p, in).objects(p, keys, document, ImportJob(p, in))
}

// ImportJob imports into quarantine, in one transaction. Killed and begun again, it begins with an empty one.
func ImportJob(p *plan.Plan, in ImportInput) *batchac.JobApplyConfiguration {
	return importOf(p, in).job(p, keysVolume([]v1alpha1.BackupStore{in.Import.Store}, ImportName(p)), "384Mi")
}

func importOf(p *plan.Plan, in ImportInput) quarantine {
	annotations := backlink(p)
	annotations[AnnotationImport] = in.Made
	return quarantine{name: ImportName(p), component: ComponentImport, annotations: annotations, login: in.Credentials, identity: in.Identity}
}
