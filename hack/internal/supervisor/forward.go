// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/termintreu/termintreu/hack/internal/netns"
)

func (s *supervisor) startForwards(ctx context.Context) error {
	for _, f := range s.config.Forwards {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", f.Listen)
		if err != nil {
			return fmt.Errorf("forward to %s: %w", f.Target, err)
		}
		go s.forward(ctx, listener, f.Target)
	}
	return nil
}

func (s *supervisor) forward(ctx context.Context, listener net.Listener, target string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			s.log.Error("forward ended", "target", target, "error", err)
			return
		}
		go s.splice(ctx, conn, target)
	}
}

// splice copies both ways. A half-closed side stays half-closed, which
// `kubectl exec` and HTTP/1.0 clients rely on.
func (s *supervisor) splice(ctx context.Context, outer net.Conn, target string) {
	defer func() { _ = outer.Close() }()
	dialCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	inner, err := netns.Dial(dialCtx, s.config.ID, "tcp4", target)
	if err != nil {
		s.log.Warn("forward", "target", target, "error", err)
		return
	}
	defer func() { _ = inner.Close() }()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(inner, outer) })
	both.Go(func() { copyHalf(outer, inner) })
	both.Wait()
}

func copyHalf(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
