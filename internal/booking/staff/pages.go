// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"sync"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

//go:embed templates/*.html
var files embed.FS

// pages are the templates by name, each with the layout around it, parsed when first shown: many sites have no staff side.
type pages map[string]func() *template.Template

func loadPages() pages {
	loaded := pages{}
	for _, name := range []string{"signin", "signedin", "message", "home", "day", "find", "visit", "book", "booked", "cases", "audit", "sessions"} {
		loaded[name] = sync.OnceValue(func() *template.Template {
			return template.Must(template.ParseFS(files, "templates/layout.html", "templates/"+name+".html"))
		})
	}
	return loaded
}

// page is what a template sees.
type page struct {
	*locale.Locale
	Title       string
	Style       string
	Controllers []v1alpha1.Controller
	Who         booking.Staff
	CSRF        string
	// Notice above the page, such as what has just been done.
	Notice string
	Faults []fault
	Body   any
}

// fault of a form: the field's id and what is wrong with it.
type fault struct{ Field, Text string }

// Fault gives the message of a field, or "".
func (p page) Fault(field string) string {
	for _, fault := range p.Faults {
		if fault.Field == field {
			return fault.Text
		}
	}
	return ""
}

// Can tells whether the person may do something at all, so that nothing is shown that would be refused.
func (p page) Can(permission string) bool { return p.Who.May(booking.Permission(permission)) }

// render writes a page at once or, when its template fails, not at all.
func (d *Desk) render(w http.ResponseWriter, r *request, status int, name string, p page) error {
	p.Locale, p.Style, p.Controllers, p.Who, p.CSRF = r.locale, d.Style(r.snapshot), r.snapshot.Notice.Controllers, r.who, r.csrf
	var written bytes.Buffer
	if err := d.pages[name]().ExecuteTemplate(&written, "layout", p); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", r.locale.Tag)
	w.WriteHeader(status)
	_, _ = w.Write(written.Bytes())
	return nil
}

// message shows a page of a title and a sentence.
func (d *Desk) message(w http.ResponseWriter, r *request, status int, title, lead string) error {
	return d.render(w, r, status, "message", page{Title: r.locale.Say(title), Body: r.locale.Say(lead)})
}

// row is an appointment in the words of the page.
type row struct {
	booking.Visit
	ServiceName, OfficeName, Date, Time string
	Stage                               booking.State
	Address                             string
}

func (d *Desk) row(r *request, visit booking.Visit) row {
	told := row{Visit: visit, ServiceName: visit.Service, OfficeName: visit.Office, Stage: visit.Stage(), Address: "/staff/visits/" + visit.ID}
	zone := r.snapshot.Catalogue.Zone(visit.Office)
	told.Start, told.End = visit.Start.In(zone), visit.End.In(zone)
	if service := r.snapshot.Catalogue.Service(visit.Service); service != nil {
		told.ServiceName = service.Title(r.locale.Tag)
	}
	if office := r.snapshot.Catalogue.Office(visit.Office); office != nil {
		told.OfficeName = office.DisplayName
	}
	told.Date = r.locale.Date(told.Start)
	told.Time = r.locale.Say("summary.time_value", "from", locale.Digits(told.Start, booking.Repeated(told.Start)),
		"until", locale.Digits(told.End, booking.Repeated(told.End)))
	return told
}

// Channels lists every channel, for the form that asks for one.
func (p page) Channels() []v1alpha1.Channel {
	return []v1alpha1.Channel{v1alpha1.ChannelOnSite, v1alpha1.ChannelPhone, v1alpha1.ChannelVideo}
}

// input is one field of a form.
type input struct{ Name, Label, Type, Value, Optional, Fault string }

// Input gives a template one field; optional is the key of what stands beside the label, or "".
func (p page) Input(name, kind, value, optional string) input {
	field := input{Name: name, Label: p.Say("form." + name), Type: kind, Value: value, Fault: p.Fault(name)}
	if optional != "" {
		field.Optional = p.Say(optional)
	}
	return field
}
