// SPDX-License-Identifier: Apache-2.0

// Package backup takes a backup of one tenant's schema to all stores of its region at once, and deletes what is past
// the backup period (B1, B2):
//
//	pg_dump -Fc → zstd → age → store 1, store 2, store 3 → read back, compare → repair → expire
//
// What lies at a store can be restored without this program by age, zstd and pg_restore.
package backup
