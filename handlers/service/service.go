// Package service owns POST /service/{profile}/{environment}/json/{uuid}: a
// call of a service, judged by the guard and passed on to its upstream. What
// the caller sends goes to the upstream's URL as it is configured; the path of
// the call is grantlog's own and says nothing there.
package service

import (
	"context"
	"errors"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/proxy"
)

// Endpoint calls services. All fields are required.
type Endpoint struct {
	Guard *guard.Guard
	Proxy *proxy.Proxy
}

// Mount adds the endpoint to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	g.POST("/service/:profile/:environment/json/:uuid", e.call)
}

func (e *Endpoint) call(c echo.Context) error {
	r := c.Request()
	name := command.ServiceName{Profile: c.Param("profile"), Environment: c.Param("environment"), UUID: c.Param("uuid")}
	// A service that asks for no token does not look at one.
	token, noToken := authn.BearerToken(r)
	pass, err := e.Guard.Check(r.Context(), guard.Call{Token: token, Service: &name})
	pass.WriteQuota(c.Response().Header())
	if noToken != nil && errors.Is(err, command.ErrTokenInvalid) {
		return noToken
	}
	if err != nil {
		return err
	}
	return e.Proxy.Forward(c, pass, func(context.Context) (proxy.Target, error) {
		to, err := url.Parse(pass.Service.Upstream)
		if err != nil {
			return proxy.Target{}, err // it was checked before it was recorded
		}
		return proxy.Target{Name: pass.Service.ID, URL: *to, Private: pass.Service.Private}, nil
	})
}
