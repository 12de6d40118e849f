// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"sync"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

//go:embed templates/*.html style.css
var files embed.FS

// pages are the templates by name, each with the layout around it, parsed when first shown: a site nobody visits, of
// which there may be a thousand, holds none in memory.
type pages map[string]func() *template.Template

func loadPages() *pages {
	loaded := pages{}
	for _, name := range []string{"home", "service", "slots", "taken", "contact", "pending", "confirmed", "cancelled", "cancel",
		"data", "correct", "erase", "onhold", "rights", "consent", "move", "wait", "privacy", "message"} {
		loaded[name] = sync.OnceValue(func() *template.Template {
			return template.Must(template.ParseFS(files, "templates/layout.html", "templates/"+name+".html"))
		})
	}
	return &loaded
}

// view is what a template sees.
type view struct {
	*locale.Locale
	Snapshot *booking.Snapshot
	Title    string
	// Style and Logo are addresses; Logo is empty without one.
	Style, Logo string
	// Brand is the name at the top of the page.
	Brand string
	// Step of three in a booking, 0 outside.
	Step      int
	Languages []languageLink
	// Controllers responsible for what the page is about.
	Controllers []v1alpha1.Controller
	Body        any

	// title is a key, when Title is not given.
	title string
	// anonymous pages say nothing of the address they are shown at.
	anonymous bool
	// path after the language, for the links to the other languages.
	path string
}

type languageLink struct {
	Tag, Name, Address string
	Current            bool
}

// Steps of a booking, for the layout.
func (v view) Steps() []int { return []int{1, 2, 3} }

// StepKey names a step.
func (v view) StepKey(n int) string { return "step." + strconv.Itoa(n) }

// render writes a page at once or, when its template fails, not at all.
func (s *Site) render(w http.ResponseWriter, r *request, status int, name string, v view) error {
	v.Locale, v.Snapshot, v.Style, v.Logo = r.locale, r.snapshot, StyleAddress(r.snapshot), logoAddress(r.snapshot)
	if v.Title == "" {
		v.Title = r.locale.Say(v.title)
	}
	if v.Controllers == nil {
		v.Controllers = r.snapshot.Notice.Controllers
	}
	v.Brand = brand(r.snapshot, v.Controllers, r.locale.Tag)
	for _, tag := range r.snapshot.Languages {
		address := "/" + tag + "/"
		if !v.anonymous {
			address = "/" + tag + v.path
		}
		v.Languages = append(v.Languages, languageLink{tag, locale.Get(tag).Say("language.name"), address, tag == r.locale.Tag})
	}
	var page bytes.Buffer
	if err := (*s.pages)[name]().ExecuteTemplate(&page, "layout", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", r.locale.Tag)
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
	return nil
}

// controllersOf gives the controller of an office alone: the notice of a page names who is responsible for it (A2).
func controllersOf(snapshot *booking.Snapshot, office *booking.Office) []v1alpha1.Controller {
	if office == nil {
		return nil
	}
	for _, controller := range snapshot.Notice.Controllers {
		if controller.Name == office.Controller {
			return []v1alpha1.Controller{controller}
		}
	}
	return nil
}
