{{/* Refuses what the schema cannot see: values that are missing, or that contradict each other. */}}
{{- define "facetry-serving.checks" -}}
{{- include "facetry-serving.checkRequired" . -}}
{{- include "facetry-serving.checkMemory" . -}}
{{- include "facetry-serving.checkAvailability" . -}}
{{- include "facetry-serving.checkAccess" . -}}
{{- end -}}

{{- define "facetry-serving.checkRequired" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- fail "image.repository is empty: set it to where the serve image is, as in --set image.repository=HOST/facetry-serve" -}}
{{- end -}}
{{- if and .digest .tag -}}
{{- fail (printf "image.digest and image.tag are both set: keep the digest and drop image.tag=%s" .tag) -}}
{{- end -}}
{{- if not (or .digest .tag) -}}
{{- fail "neither image.digest nor image.tag is set: set image.digest=sha256:… (or image.tag, which can change under you)" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.release.claimName -}}
{{- fail "release.claimName is empty: set it to the PersistentVolumeClaim that holds the release" -}}
{{- end -}}
{{- end -}}

{{- define "facetry-serving.checkMemory" -}}
{{- $limit := .Values.resources.limits.memory -}}
{{- $request := .Values.resources.requests.memory -}}
{{- $limitMebibytes := include "facetry-serving.mebibytes" $limit | int64 -}}
{{- if gt (include "facetry-serving.mebibytes" $request | int64) $limitMebibytes -}}
{{- fail (printf "resources.requests.memory %s is more than resources.limits.memory %s: raise the limit or lower the request" $request $limit) -}}
{{- end -}}
{{- $shared := .Values.sharedMemory.sizeLimit -}}
{{- if ge (include "facetry-serving.mebibytes" $shared | int64) $limitMebibytes -}}
{{- fail (printf "sharedMemory.sizeLimit %s leaves nothing of resources.limits.memory %s: shared memory counts as the server's, so raise the limit" $shared $limit) -}}
{{- end -}}
{{- end -}}

{{- define "facetry-serving.checkAvailability" -}}
{{- $replicas := int .Values.replicaCount -}}
{{- with .Values.podDisruptionBudget -}}
{{- if and .enabled (ge (int .minAvailable) $replicas) -}}
{{- fail (printf "podDisruptionBudget.minAvailable %d with replicaCount %d would block every node drain: use more replicas, or a smaller budget" (int .minAvailable) $replicas) -}}
{{- end -}}
{{- end -}}
{{- with .Values.rollout -}}
{{- if not (or (int .maxUnavailable) (int .maxSurge)) -}}
{{- fail "rollout.maxUnavailable and rollout.maxSurge are both 0, so that no rollout could begin: set one of them to 1" -}}
{{- end -}}
{{- end -}}
{{- with .Values.shutdown -}}
{{- $needed := add 15 .delaySeconds -}}
{{- if lt (int64 .gracePeriodSeconds) $needed -}}
{{- fail (printf "shutdown.gracePeriodSeconds %d would kill requests in flight: with shutdown.delaySeconds %d it must be at least %d" (int64 .gracePeriodSeconds) (int64 .delaySeconds) $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "facetry-serving.checkAccess" -}}
{{- with .Values.serviceAccount -}}
{{- if not (or .create .name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name a service account that exists" -}}
{{- end -}}
{{- if and .annotations (not .create) -}}
{{- fail "serviceAccount.annotations are set, but serviceAccount.create is false: annotate the account that exists instead" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.from (not .Values.networkPolicy.enabled) -}}
{{- fail "networkPolicy.from is set, but networkPolicy.enabled is false, so that anyone could connect: enable it or drop the list" -}}
{{- end -}}
{{- with .Values.service -}}
{{- if lt (list (int .httpPort) (int .grpcPort) (int .metricsPort) | uniq | len) 3 -}}
{{- fail (printf "service.httpPort %d, service.grpcPort %d and service.metricsPort %d must differ" (int .httpPort) (int .grpcPort) (int .metricsPort)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
