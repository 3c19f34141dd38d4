package main

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is what these tests look at of the base.
type manifest struct {
	Spec struct {
		Template struct {
			Spec struct {
				Containers []container `yaml:"containers"`
				Volumes    []struct {
					Name     string            `yaml:"name"`
					EmptyDir map[string]string `yaml:"emptyDir"`
				} `yaml:"volumes"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type container struct {
	Resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	} `yaml:"resources"`
	Env       []struct{ Name, Value string } `yaml:"env"`
	Readiness probe                          `yaml:"readinessProbe"`
	Liveness  probe                          `yaml:"livenessProbe"`
	Lifecycle struct {
		PreStop struct {
			Exec struct {
				Command []string `yaml:"command"`
			} `yaml:"exec"`
		} `yaml:"preStop"`
	} `yaml:"lifecycle"`
}

type probe struct {
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

func (c container) setting(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

func base(t *testing.T) manifest {
	t.Helper()
	var m manifest
	if err := yaml.Unmarshal([]byte(read(t, "../base/deployment.yaml")), &m); err != nil || len(m.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%v, %+v", err, m)
	}
	return m
}

// overlaid is the executor's container as the example's overlay patches it.
func overlaid(t *testing.T) container {
	t.Helper()
	var overlay struct{ Patches []struct{ Patch string } }
	if err := yaml.Unmarshal(render(t, read(t, example), "r/executor:1")["gpu-t4/kustomization.yaml"], &overlay); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(overlay.Patches, func(p struct{ Patch string }) bool { return strings.Contains(p.Patch, "kind: Deployment") })
	var m manifest
	if err := yaml.Unmarshal([]byte(overlay.Patches[i].Patch), &m); err != nil {
		t.Fatal(err)
	}
	return m.Spec.Template.Spec.Containers[0]
}

// The kubelet evicts a pod for what one of its experiments writes beyond a limit, and ends all of them within a second.
func TestNoLimitOfTheDiskEndsAllExperimentsOfAPod(t *testing.T) {
	t.Parallel()
	m, c := base(t), overlaid(t)
	for _, v := range m.Spec.Template.Spec.Volumes {
		if v.EmptyDir["sizeLimit"] != "" && v.EmptyDir["medium"] != "Memory" {
			t.Errorf("the volume %s has a limit", v.Name)
		}
	}
	if c.Resources.Limits["ephemeral-storage"] != "" || c.Resources.Requests["ephemeral-storage"] == "" {
		t.Errorf("disk is limited, or not asked for: %+v", c.Resources)
	}
	if reserve := m.Spec.Template.Spec.Containers[0].setting("DISK_RESERVE"); reserve != "20" || c.setting("CACHE_LIMIT") != "53687091200" {
		t.Errorf("nobody looks after the disk: DISK_RESERVE %q, CACHE_LIMIT %q", reserve, c.setting("CACHE_LIMIT"))
	}
}

// Of several pods, those that are not ready are drained first, whatever they run.
func TestAPodIsReadyForAsLongAsItLives(t *testing.T) {
	t.Parallel()
	if c := base(t).Spec.Template.Spec.Containers[0]; c.Readiness != c.Liveness || c.Readiness.FailureThreshold < 10 {
		t.Errorf("readiness %+v, liveness %+v", c.Readiness, c.Liveness)
	}
}

// A container gets one SIGTERM, and no second one when its node shuts down while it drains.
func TestAPodThatDrainsIsToldWhenThereIsLessTime(t *testing.T) {
	t.Parallel()
	c := base(t).Spec.Template.Spec.Containers[0]
	if got := strings.Join(c.Lifecycle.PreStop.Exec.Command, " "); !strings.HasSuffix(got, "kill -USR1 1") || c.setting("LEAVE_TIMEOUT") != "15s" {
		t.Errorf("preStop is %q, LEAVE_TIMEOUT %q", got, c.setting("LEAVE_TIMEOUT"))
	}
}
