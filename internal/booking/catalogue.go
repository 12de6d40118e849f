// SPDX-License-Identifier: Apache-2.0

// Package booking is the domain of the booking instance: what can be booked when, and what a citizen has to say for
// it. It is pure: values in, values out, the clock injected.
package booking

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // the image has no zoneinfo, and an office without its zone cannot open

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// defaultSlotLength is the API's default, for documents written without one.
const (
	defaultSlotLength   = 15 * time.Minute
	defaultBookableDays = 60
	minutesPerDay       = 24 * 60
)

// Catalogue is the tenant's catalogue, read once and looked up often.
type Catalogue struct {
	Offices  []*Office
	Services []*Service
	// ReleaseDelay is how long, at least, a slot that was given up is kept from citizens; zero for not at all.
	ReleaseDelay time.Duration
}

// Office is an office with its hours understood.
type Office struct {
	v1alpha1.Office
	Location *time.Location
	grid     time.Duration
	hours    map[time.Weekday][]span
}

// span is one stretch of a weekday in minutes of the wall clock; until may be 1440, the end of the day.
type span struct {
	from, until int
	rule        v1alpha1.OpeningHours
	// public are the counters citizens book themselves.
	public int32
}

// Service is a service with its duration understood.
type Service struct {
	v1alpha1.Service
	Length time.Duration
	// Reminder is how long before an appointment whoever wants is reminded; zero for not at all.
	Reminder time.Duration
}

// NewCatalogue reads a catalogue. The error names the office or service at fault.
func NewCatalogue(source v1alpha1.Catalogue) (*Catalogue, error) {
	catalogue := &Catalogue{}
	if source.ReleaseDelay != "" {
		delay, err := source.ReleaseDelay.Duration()
		if err != nil {
			return nil, fmt.Errorf("release delay: %w", err)
		}
		catalogue.ReleaseDelay = delay
	}
	for _, service := range source.Services {
		length, err := service.Duration.Duration()
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", service.Name, err)
		}
		read := &Service{Service: service, Length: length}
		if service.ReminderBefore != "" {
			if read.Reminder, err = service.ReminderBefore.Duration(); err != nil {
				return nil, fmt.Errorf("service %s: reminder: %w", service.Name, err)
			}
		}
		catalogue.Services = append(catalogue.Services, read)
	}
	for _, office := range source.Offices {
		read, err := newOffice(office)
		if err != nil {
			return nil, fmt.Errorf("office %s: %w", office.Name, err)
		}
		catalogue.Offices = append(catalogue.Offices, read)
	}
	return catalogue, nil
}

func newOffice(source v1alpha1.Office) (*Office, error) {
	office := &Office{Office: source, grid: defaultSlotLength, hours: map[time.Weekday][]span{}}
	var err error
	if office.Location, err = time.LoadLocation(source.TimeZone); err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	if source.SlotLength != "" {
		if office.grid, err = source.SlotLength.Duration(); err != nil {
			return nil, fmt.Errorf("slot length: %w", err)
		}
	}
	if office.BookableDays == 0 {
		office.BookableDays = defaultBookableDays
	}
	for _, hours := range source.OpeningHours {
		day, stretch, err := readHours(hours)
		if err != nil {
			return nil, err
		}
		stretch.public = source.Counters
		if hours.PublicCounters != nil {
			stretch.public = min(*hours.PublicCounters, source.Counters)
		}
		office.hours[day] = append(office.hours[day], stretch)
	}
	for day := range office.hours {
		slices.SortFunc(office.hours[day], func(a, b span) int { return a.from - b.from })
	}
	return office, nil
}

func readHours(hours v1alpha1.OpeningHours) (time.Weekday, span, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if day.String() != string(hours.Day) {
			continue
		}
		from, err := minutes(hours.From)
		if err != nil {
			return 0, span{}, err
		}
		until, err := minutes(hours.Until)
		if err != nil {
			return 0, span{}, err
		}
		return day, span{from: from, until: until, rule: hours}, nil
	}
	return 0, span{}, fmt.Errorf("%q is no weekday", hours.Day)
}

func minutes(text v1alpha1.TimeOfDay) (int, error) {
	malformed := fmt.Errorf("%q is no time of day: write HH:MM between 00:00 and 24:00", text)
	if len(text) != 5 || text[2] != ':' {
		return 0, malformed
	}
	hour, err := strconv.ParseUint(string(text[:2]), 10, 8)
	if err != nil {
		return 0, malformed
	}
	minute, err := strconv.ParseUint(string(text[3:]), 10, 8)
	total := int(hour*60 + minute)
	if err != nil || minute > 59 || total > minutesPerDay {
		return 0, malformed
	}
	return total, nil
}

// Office gives the office of a name, or nil.
func (c *Catalogue) Office(name string) *Office {
	for _, office := range c.Offices {
		if string(office.Name) == name {
			return office
		}
	}
	return nil
}

// Zone is the office's time zone. That of an office which is gone is the first office's: an authority's clocks all show
// the same, and nobody's shows UTC.
func (c *Catalogue) Zone(office string) *time.Location {
	if found := c.Office(office); found != nil {
		return found.Location
	}
	if len(c.Offices) > 0 {
		return c.Offices[0].Location
	}
	return time.UTC
}

// Service gives the service of a name, or nil.
func (c *Catalogue) Service(name string) *Service {
	for _, service := range c.Services {
		if string(service.Name) == name {
			return service
		}
	}
	return nil
}

// OfficesFor gives the offices that offer a service.
func (c *Catalogue) OfficesFor(service *Service) []*Office {
	var offices []*Office
	for _, office := range c.Offices {
		if office.Offers(service) {
			offices = append(offices, office)
		}
	}
	return offices
}

// Offers tells whether the office offers a service; an office that lists none offers all.
func (o *Office) Offers(service *Service) bool {
	return len(o.Office.Services) == 0 || slices.Contains(o.Office.Services, service.Name)
}

// Channel gives the channel of a name, the service's first when the name is empty.
func (s *Service) Channel(name string) (v1alpha1.Channel, bool) {
	if name == "" && len(s.Channels) > 0 {
		return s.Channels[0], true
	}
	channel := v1alpha1.Channel(name)
	return channel, slices.Contains(s.Channels, channel)
}

// Title is the service's name in a language, or in any other when that is missing.
func (s *Service) Title(language string) string {
	if title := inLanguage(s.DisplayName, language); title != "" {
		return title
	}
	return string(s.Name)
}

// inLanguage gives a text in a language, or in any other when that is missing.
func inLanguage(text v1alpha1.LocalizedText, language string) string {
	for _, tag := range []string{language, "de", "en", "fr", "it", "uk"} {
		if found, known := text[tag]; known {
			return found
		}
	}
	return ""
}
