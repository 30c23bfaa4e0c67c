#!/bin/sh
# Installs, on Debian or Ubuntu, what `pytest -m integration` needs: an S3 store (Ceph) and a container engine (podman).
set -eu
export DEBIAN_FRONTEND=noninteractive
programs="ceph-mon ceph-osd radosgw podman buildah runc mmdebstrap"
for program in $programs; do
  command -v "$program" >/dev/null && continue
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends \
    ceph-mon ceph-osd radosgw podman buildah runc netavark aardvark-dns iptables uidmap mmdebstrap
  exit
done
