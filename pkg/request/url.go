package request

import (
	"errors"
	"net/url"
	"strings"
)

const schemeHTTPS = "https"

// parseURL makes an object of an artifact's url. Its errors repeat nothing of the address, whose query may be secret.
func parseURL(address string) (Object, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Object{}, errors.New("url is not a URL")
	case !strings.EqualFold(u.Scheme, schemeHTTPS):
		return Object{}, errors.New("url does not begin with https://, and nothing else is fetched")
	}
	u.Fragment, u.RawFragment = "", ""
	return Object{
		Scheme: schemeHTTPS, Host: strings.ToLower(u.Host), Key: strings.TrimPrefix(u.Path, "/"), Address: Secret(u.String()),
	}, nil
}
