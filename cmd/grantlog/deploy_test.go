package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is what these tests read of a composition.
type compose struct {
	Services map[string]struct {
		Environment map[string]string
		Volumes     []string
	}
	Secrets map[string]struct{ File string }
	Volumes map[string]any
}

func repository(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// loadCompose reads a composition and checks that it starts what there is:
// settings that exist, files that exist.
func loadCompose(t *testing.T, name string) (c compose) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(repository(t, name)), &c); err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	if code := run(t.Context(), []string{"serve", "--help"}, process{Stdout: &help, Stderr: &help, LookupEnv: os.LookupEnv}); code != exitOK {
		t.Fatalf("help exits %d", code)
	}
	known := regexp.MustCompile(`\s+`).ReplaceAllString(help.String(), "")
	for name, service := range c.Services {
		for variable := range service.Environment {
			if strings.HasPrefix(name, "grantlog-") && !strings.Contains(known, "[$"+variable+"]") {
				t.Errorf("%s sets %s, which serve does not read", name, variable)
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if file, ok := strings.CutPrefix(source, "./"); ok {
				repository(t, file)
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s mounts %s, which is not declared", name, source)
			}
		}
		if strings.HasPrefix(name, "grantlog-") && (!strings.Contains(repository(t, "docs/deploy/haproxy.cfg"), name+":8080") || !strings.Contains(repository(t, "docs/deploy/prometheus.yml"), name+":9090")) {
			t.Errorf("%s is not balanced or not scraped", name)
		}
	}
	return c
}

// The replicas of the composition without a NATS beside it know each other.
func TestComposeFileOfACluster(t *testing.T) {
	c := loadCompose(t, "docs/deploy/docker-compose.cluster.yml")
	replicas := 0
	for name, service := range c.Services {
		routes := service.Environment["GRANTLOG_CLUSTER_ROUTES"]
		if routes == "" {
			continue
		}
		replicas++
		if !strings.Contains(routes, "//"+name+":") {
			t.Errorf("%s is not among its own routes %s", name, routes)
		}
		for route := range strings.SplitSeq(routes, ",") {
			host, _, _ := strings.Cut(strings.TrimPrefix(route, "nats://"), ":")
			if _, ok := c.Services[host]; !ok {
				t.Errorf("%s routes to %s, which is no service", name, host)
			}
		}
	}
	if replicas != 3 {
		t.Errorf("%d replicas, want 3", replicas)
	}
}

// The composition configures each of its servers with
// all that nats.conf asks for, and tells each replica of all of them.
func TestComposeFile(t *testing.T) {
	c := loadCompose(t, "docker-compose.yml")
	config := repository(t, "docs/deploy/nats.conf")
	asked := regexp.MustCompile(`: \$([A-Z_]+)`).FindAllStringSubmatch(config, -1)
	servers, replicas := 0, 0
	for name, service := range c.Services {
		switch {
		case strings.HasPrefix(name, "nats-"):
			servers++
			if service.Environment["NATS_NAME"] != name || !strings.Contains(config, "nats://"+name+":6222") {
				t.Errorf("%s is called %s, or is not routed to", name, service.Environment["NATS_NAME"])
			}
			for _, variable := range asked {
				if service.Environment[variable[1]] == "" {
					t.Errorf("%s is not told %s", name, variable[1])
				}
			}
		case strings.HasPrefix(name, "grantlog-"):
			replicas++
			for _, server := range []string{"nats-1", "nats-2", "nats-3"} {
				if url := "nats://grantlog:${NATS_PASSWORD}@" + server + ":4222"; !strings.Contains(service.Environment["GRANTLOG_NATS"], url) {
					t.Errorf("%s does not know %s", name, url)
				}
			}
		}
	}
	if servers != 3 || replicas != 3 || len(asked) != 3 {
		t.Errorf("%d NATS servers, %d replicas, %d variables in nats.conf", servers, replicas, len(asked))
	}
}

// What is deployed passes settings that exist.
func TestDeployedFlagsExist(t *testing.T) {
	var help strings.Builder
	run(t.Context(), []string{"serve", "--help"}, process{Stdout: &help, Stderr: &help, LookupEnv: os.LookupEnv})
	for _, file := range []string{"Dockerfile", "docs/deploy/grantlog.service"} {
		for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(repository(t, file), -1) {
			if strings.HasPrefix(flag, "--from") || strings.HasPrefix(flag, "--chown") {
				continue // Dockerfile's own
			}
			if !strings.Contains(help.String(), flag+"=") {
				t.Errorf("%s gives %s, which serve does not have", file, flag)
			}
		}
	}
}
