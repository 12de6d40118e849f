// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"errors"
	"fmt"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/look"
	"github.com/termintreu/termintreu/internal/settings"
)

// Snapshot is one version of the settings with everything derived from it. It is never changed, only replaced.
type Snapshot struct {
	*settings.Instance
	Catalogue *Catalogue
	Expiry    Expiry
	Palette   look.Palette
	// Languages the site speaks, the first being the default.
	Languages []string
}

// NewSnapshot checks a settings document as a whole, so that a bad one is refused before anything of it is served.
func NewSnapshot(document *settings.Instance) (*Snapshot, error) {
	snapshot := &Snapshot{Instance: document}
	var err error
	if snapshot.Catalogue, err = NewCatalogue(document.Catalogue); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	if snapshot.Expiry, err = NewExpiry(document); err != nil {
		return nil, fmt.Errorf("notice: %w", err)
	}
	if err := snapshot.readAppearance(); err != nil {
		return nil, fmt.Errorf("appearance: %w", err)
	}
	for _, tag := range document.Locales {
		if locale.Get(string(tag)) == nil {
			return nil, fmt.Errorf("locales: %s is not spoken by this release", tag)
		}
		snapshot.Languages = append(snapshot.Languages, string(tag))
	}
	if len(snapshot.Languages) == 0 {
		return nil, errors.New("locales: name at least one")
	}
	if document.Database.Schema == "" || document.Database.Host == "" {
		return nil, errors.New("database: host and schema must be given")
	}
	return snapshot, nil
}

// Asks is what a service asks for on a channel here: nobody is reminded where no relay takes the mail.
func (s *Snapshot) Asks(service *Service, channel v1alpha1.Channel) Asked {
	asked := service.Asks(channel)
	if s.Mail == nil {
		asked.Reminder = 0
	}
	return asked
}

func (s *Snapshot) readAppearance() error {
	accent := v1alpha1.Colour("")
	if s.Appearance != nil {
		accent = s.Appearance.Accent
		if err := look.CheckLogo(s.Appearance.Logo); err != nil {
			return err
		}
	}
	var err error
	s.Palette, err = look.NewPalette(accent)
	return err
}

// Name of the site in a language; empty when it goes by the names of its controllers.
func (s *Snapshot) Name(language string) string {
	if s.Appearance == nil {
		return ""
	}
	return inLanguage(s.Appearance.Name, language)
}

// Logo of the site, or nil.
func (s *Snapshot) Logo() *v1alpha1.Logo {
	if s.Appearance == nil {
		return nil
	}
	return s.Appearance.Logo
}
