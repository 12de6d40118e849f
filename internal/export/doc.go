// SPDX-License-Identifier: Apache-2.0

// Package export writes everything a tenant has in its schema in an open format, and reads it back elsewhere (D4,
// invariant 10): a tar of JSON Lines with a JSON Schema per entity, a CSV file per office, and a manifest with the counts
// and digests of all of it. What is exported is read from the catalogue of the live schema, so that no column is
// forgotten; the order is canonical, so that export, import and export again give the same bytes.
package export
