output "namespace" {
  description = "The namespace of executors, once it is there."
  value       = "studio"
  depends_on  = [helm_release.studio]
}
