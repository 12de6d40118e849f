// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// DatabaseKey names one database of a region.
type DatabaseKey struct{ Region, Server, Database string }

// Place chooses the least full database of the region for a new tenant. Loads are the tenants each database holds;
// a database without an entry was never audited and is not used, since it may be unreachable or full.
func Place(region *v1alpha1.DataRegion, dataID string, loads map[DatabaseKey]int) (*v1alpha1.DatabasePlacement, error) {
	var best *v1alpha1.DatabasePlacement
	least, audited := 0, 0
	for _, server := range region.Spec.DatabaseServers {
		for _, database := range server.Databases {
			load, known := loads[DatabaseKey{region.Name, server.Name, database}]
			if !known {
				continue
			}
			audited++
			if load >= int(server.TenantsPerDatabase) || best != nil && load >= least {
				continue
			}
			best, least = &v1alpha1.DatabasePlacement{Server: server.Name, Name: database, Schema: dataID}, load
		}
	}
	switch {
	case best != nil:
		return best, nil
	case audited == 0:
		return nil, fmt.Errorf("no database server of DataRegion %s has answered yet", region.Name)
	}
	return nil, &Refusal{v1alpha1.ReasonNoCapacity, fmt.Sprintf(
		"every database of DataRegion %s holds as many tenants as spec.databaseServers[].tenantsPerDatabase allows: ask the platform to add a database", region.Name)}
}
