// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"fmt"
	"regexp"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Keys of one identity at a store.
type Keys struct{ AccessKeyID, SecretAccessKey string }

// Pair are the two identities of a tenant at a store. Nobody who takes a backup can make one go: what talks to the
// database holds the writer alone.
type Pair struct {
	// Writer may write under the tenant's prefix, set locks, end its own unfinished uploads, and read back what it
	// knows the name of. It may neither delete nor list.
	Writer Keys
	// Keeper may besides list and delete versions: it expires, and mends what a store lost.
	Keeper Keys
}

// PairOf names the identities of a tenant; the secrets are the caller's to add. The keeper has the name that the one
// identity of earlier releases had, so that its secret ends with it.
func PairOf(dataID string) Pair {
	return Pair{Writer: Keys{AccessKeyID: dataID + "-writer"}, Keeper: Keys{AccessKeyID: dataID}}
}

// ArchivePairOf names the identities of a tenant at an archive: others than PairOf gives, since an archive may be another
// bucket of a gateway that has backups too, and a gateway has one account of a name.
func ArchivePairOf(dataID string) Pair {
	return Pair{Writer: Keys{AccessKeyID: dataID + "-archivist"}, Keeper: Keys{AccessKeyID: dataID + "-archive"}}
}

// Identities makes and removes identities that reach one tenant's prefix only. It is safe for concurrent use
// within one process; only one process, the operator's leader, may make identities at a bucket.
//
// A bucket has one policy with about 900 bytes per tenant. The Versity gateway keeps it in file attributes, of which
// ext4 holds 4 KiB (four tenants) and XFS 64 KiB: run it with --sidecar where more tenants share a bucket.
type Identities interface {
	// Ensure makes both identities, or gives existing ones new secrets, and lets them do under the tenant's prefix what
	// Pair says, and nothing elsewhere. It returns when the store has shown that it knows both. One pair of a tenant is
	// kept: the last one ensured is the tenant's.
	Ensure(ctx context.Context, dataID string, pair Pair) error
	// Bound tells which tenants have a pair that may do exactly what it must, as the store shows it now.
	Bound(ctx context.Context) (map[string]bool, error)
	// Remove takes the tenant's identities away; ones that are gone already are no error. Objects stay.
	Remove(ctx context.Context, dataID string) error
}

// dataIDPattern keeps what would widen a policy (a wildcard, a slash) out of it.
var dataIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// NewIdentities gives the identities of a store; admin has an administrator's credentials.
func NewIdentities(provider v1alpha1.IdentityProvider, admin *Client) (Identities, error) {
	if provider == v1alpha1.IdentityProviderVersityGateway {
		return &versityIdentities{client: admin, policy: newPolicyWriter(admin)}, nil
	}
	return nil, fmt.Errorf("store %s: identities cannot be made by %q", admin.Name(), provider)
}
