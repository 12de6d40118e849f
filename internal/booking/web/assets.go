// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

const (
	stylePath = "/assets/style.css"
	logoPath  = "/assets/logo"
	// logoPolicy keeps an SVG from running or loading anything even when it is opened on its own.
	logoPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
)

var style = mustRead("style.css")

func mustRead(name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return content
}

// theme sets what the tenant chose, after the style sheet's own colours.
func theme(snapshot *booking.Snapshot) string {
	palette := snapshot.Palette
	return fmt.Sprintf(`:root { --accent: %s; --on-accent: %s; --accent-wash: %s; }
@media (prefers-color-scheme: dark) { :root { --accent: %s; --on-accent: %s; --accent-wash: %s; } }
`, palette.Accent, palette.OnAccent, palette.Wash, palette.DarkAccent, palette.DarkOnAccent, palette.DarkWash)
}

// versioned gives the address of what browsers may keep: it changes with the content.
func versioned(path string, content ...[]byte) string {
	sum := sha256.New()
	for _, part := range content {
		sum.Write(part)
	}
	return path + "?v=" + hex.EncodeToString(sum.Sum(nil)[:6])
}

// StyleAddress is where the site serves its style sheet, for the staff side to look alike.
func StyleAddress(snapshot *booking.Snapshot) string {
	return versioned(stylePath, style, []byte(theme(snapshot)))
}

func logoAddress(snapshot *booking.Snapshot) string {
	logo := snapshot.Logo()
	if logo == nil {
		return ""
	}
	return versioned(logoPath, logo.Data)
}

func (s *Site) serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(style)
	_, _ = w.Write([]byte(theme(s.Snapshot())))
}

func (s *Site) serveLogo(w http.ResponseWriter, r *http.Request) {
	logo := s.Snapshot().Logo()
	if logo == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", string(logo.MediaType))
	w.Header().Set("Content-Security-Policy", logoPolicy)
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(logo.Data)
}

// brand is the site's name, or the names of who is responsible for the page.
func brand(snapshot *booking.Snapshot, controllers []v1alpha1.Controller, language string) string {
	if name := snapshot.Name(language); name != "" {
		return name
	}
	var names []string
	for _, controller := range controllers {
		names = append(names, controller.Name)
	}
	return strings.Join(names, " · ")
}
