// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"fmt"

	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

// DeclarationKey is the key of the document in the ConfigMap of a declaration.
const DeclarationKey = "declaration.json"

// DeclarationName names the ConfigMap with what a removed tenant had declared. It tells nothing of the authority.
func DeclarationName(dataID string) string { return dataID + "-declaration" }

// Declaration keeps what a removed tenant had declared in the operator's namespace, out of reach of whoever works in
// the platform's: its jobs are held to it as long as they are needed (invariant 4).
func Declaration(namespace, dataID, region, document string) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(DeclarationName(dataID), namespace).
		WithLabels(map[string]string{
			LabelName: Application, LabelComponent: string(ComponentDeclaration), LabelManagedBy: Manager, LabelDataID: dataID, LabelRegion: region,
		}).
		WithData(map[string]string{DeclarationKey: document})
}

// KeptObjects are those of a removed tenant that must be there: expiry until the last backup is gone, and the purge
// and hand-over while there is a schema. Unlike those of a living tenant nobody may suspend them: there is no verdict that would say.
func KeptObjects(p *plan.Plan, credentials Credentials, purge bool) []Object {
	var kept []Object
	for _, object := range RetainedObjects(p, credentials) {
		if !purge && object.Name == RetentionName(p) || object.Name == ArchiveName(p) && credentials.Archive.Password == "" {
			continue
		}
		if cron, ok := object.Config.(*batchac.CronJobApplyConfiguration); ok {
			cron.Spec.WithSuspend(false)
		}
		kept = append(kept, object)
	}
	return kept
}

// CronJobsOf gives the CronJobs among objects.
func CronJobsOf(objects []Object) (found []Object) {
	for _, object := range objects {
		if object.GVK == gvkCronJob {
			found = append(found, object)
		}
	}
	return found
}

// String names an object as messages do.
func (o Object) String() string { return fmt.Sprintf("%s %s/%s", o.GVK.Kind, o.Namespace, o.Name) }
