// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/termintreu/termintreu/internal/serving"
)

// certificate is what the site presents, read anew whenever its files change: a renewal needs no restart.
type certificate struct {
	dir     string
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]
}

// newCertificate reads the files for the first time; without a certificate there is no site.
func newCertificate(dir string, log *slog.Logger) (*certificate, error) {
	c := &certificate{dir: dir, log: log}
	return c, c.reload()
}

// reload reads the files and, when they fit together, presents what they hold from the next connection on. The kubelet
// swaps them by a link, so that two of different age may be met; the next look sees both.
func (c *certificate) reload() error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.dir, serving.CertificateKey), filepath.Join(c.dir, serving.PrivateKeyKey))
	if err != nil {
		return fmt.Errorf("the site's certificate in %s cannot be read: %s and %s must be PEM and belong together", c.dir, serving.CertificateKey, serving.PrivateKeyKey)
	}
	before := c.current.Swap(&pair)
	if before != nil && !before.Leaf.Equal(pair.Leaf) {
		c.log.Info("certificate reloaded", "until", pair.Leaf.NotAfter)
	}
	return nil
}

// look reloads and complains of what it cannot use; the last certificate stays.
func (c *certificate) look() {
	if err := c.reload(); err != nil {
		c.log.Error("certificate refused, the last valid one stays in force", "error", err.Error())
	}
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if current := c.current.Load(); current != nil {
			return current, nil
		}
		return nil, errors.New("no certificate")
	}}
}
