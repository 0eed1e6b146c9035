/* SPDX-License-Identifier: GPL-2.0 */
/* Short forms for json-c. A missing key or a wrong type gives the default. */
#ifndef JSON_H
#define JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

static inline struct json_object *js_get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v))
		return NULL;
	return v;
}

static inline const char *js_str(struct json_object *o, const char *key)
{
	struct json_object *v = js_get(o, key);

	return json_object_is_type(v, json_type_string) ?
		json_object_get_string(v) : NULL;
}

static inline int64_t js_int(struct json_object *o, const char *key,
			     int64_t otherwise)
{
	struct json_object *v = js_get(o, key);

	return json_object_is_type(v, json_type_int) ?
		json_object_get_int64(v) : otherwise;
}

static inline bool js_bool(struct json_object *o, const char *key)
{
	struct json_object *v = js_get(o, key);

	return json_object_is_type(v, json_type_boolean) &&
		json_object_get_boolean(v);
}

static inline void js_add_str(struct json_object *o, const char *key,
			      const char *value)
{
	if (value)
		json_object_object_add(o, key, json_object_new_string(value));
}

static inline void js_add_int(struct json_object *o, const char *key,
			      int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static inline void js_add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

#endif /* JSON_H */
