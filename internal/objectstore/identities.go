// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"fmt"
	"regexp"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Identities makes and removes identities that reach one tenant's prefix only. It is safe for concurrent use
// within one process; only one process, the operator's leader, may make identities at a bucket.
//
// A bucket has one policy with about 500 bytes per tenant. The Versity gateway keeps it in file attributes, of which
// ext4 holds 4 KiB (seven tenants) and XFS 64 KiB: run it with --sidecar where more tenants share a bucket.
type Identities interface {
	// Ensure makes the identity, or gives an existing one a new secret, and lets it read, write, list and delete under
	// the tenant's prefix and nowhere else. It returns when the store has shown that it knows both. Several identities
	// of one tenant are not kept: the last one ensured is the tenant's.
	Ensure(ctx context.Context, dataID, accessKeyID, secretAccessKey string) error
	// Bound tells which tenants have an identity that reaches exactly their prefix, as the store shows it now.
	Bound(ctx context.Context) (map[string]bool, error)
	// Remove takes the tenant's identity away; one that is gone already is no error. Objects stay.
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
