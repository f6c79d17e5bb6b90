"""The words for every attribute: tables only, no grammar.

A form that ends in `*` promises a sun besides, one in `~` a moon: they are said of such scenes only.
"""

from __future__ import annotations

Forms = dict[str, tuple[str, ...]]

# fmt: off
TIME_PHRASES: Forms = {
    "dawn": (
        "at dawn", "at dawn", "at daybreak", "in the morning", "in the early morning", "at first light",
        "at sunrise*", "early in the morning", "on a misty morning", "as the day begins",
        "at the break of day", "in the pink morning light", "when the sun rises*", "as the sun comes up*",
        "with the sun rising*",
    ),
    "day": (
        "by day", "during the day", "at noon", "at midday", "in daylight", "in the afternoon",
        "on a clear day", "under a blue sky", "in broad daylight", "on a bright day", "on a sunny day*",
        "in the daytime", "on a summer day", "in bright sunshine*", "under a clear blue sky", "at high noon",
        "in the middle of the day", "on a summer afternoon", "on a spring day",
    ),
    "dusk": (
        "at dusk", "at dusk", "in the evening", "at twilight", "at sunset*", "at sundown*",
        "at the end of the day", "at nightfall", "on a warm evening", "in the evening light",
        "during the golden hour", "as evening falls", "under a purple evening sky", "when the sun sets*",
        "as the sun goes down*", "late in the evening", "with the sun setting*", "on a summer evening",
    ),
    "night": (
        "at night", "at night", "at midnight", "by night", "in the dark", "in the darkness",
        "under the stars", "under a starry sky", "on a starry night", "on a dark night", "late at night",
        "in the middle of the night", "on a clear night", "under a night sky", "during the night",
        "beneath the stars", "in the moonlight~", "on a moonlit night~", "by moonlight~",
        "with stars everywhere",
    ),
    "storm": (
        "in a storm", "in the rain", "during a thunderstorm", "in stormy weather", "in bad weather",
        "during a storm", "under dark clouds", "on a rainy day", "on a stormy day", "under a stormy sky",
        "in heavy rain", "in a thunderstorm", "under a grey rainy sky", "with rain falling", "in a downpour",
        "on a gloomy rainy day",
    ),
}
TIME_WORDS: Forms = {
    "dawn": (
        "dawn", "morning", "sunrise*", "daybreak", "early morning", "first light", "pink sky", "pastel sky",
        "dawn sky", "rising sun*", "the sun rises*", "morning light",
    ),
    "day": (
        "day", "daytime", "midday", "noon", "daylight", "afternoon", "sunny day*", "blue sky", "bright day",
        "sunshine*", "clear sky",
    ),
    "dusk": (
        "dusk", "evening", "sunset*", "twilight", "sundown*", "nightfall", "evening sky", "golden hour",
        "orange sky", "crimson sky", "setting sun*", "the sun sets*", "red sunset*",
    ),
    "night": (
        "night", "midnight", "starry night", "night sky", "stars", "nighttime", "starry sky", "dark night",
        "darkness", "many stars", "moonlight~", "moonlit night~", "stars everywhere",
    ),
    "storm": (
        "storm", "rain", "thunderstorm", "stormy sky", "dark clouds", "bad weather", "rainstorm", "thunder",
        "rainy day", "tempest", "heavy rain", "thunder and rain",
    ),
}
TIME_ADJECTIVES: Forms = {
    "dawn": ("morning", "early morning", "dawn", "sunrise*"),
    "day": ("daytime", "midday", "sunny*", "bright", "sunlit*", "daylight"),
    "dusk": ("evening", "sunset*", "twilight", "dusk", "dusky"),
    "night": ("night", "midnight", "starry", "nighttime", "dark night", "nocturnal", "starlit", "moonlit~"),
    "storm": ("stormy", "rainy", "gloomy", "dark stormy", "thundery", "wet and rainy", "rain-swept"),
}
GROUND_PHRASES: Forms = {
    "sea": (
        "by the sea", "by the sea", "at sea", "on the sea", "by the ocean", "on the ocean", "on the water",
        "at the coast", "on the coast", "by the shore", "on a lake", "by a lake", "on the waves",
        "in the water", "at the beach", "by the seaside", "on the open sea", "in the bay", "on calm water",
        "at the seaside", "near the sea", "by the water", "in the ocean", "near the ocean", "in the sea",
        "on blue water", "by the beach",
    ),
    "meadow": (
        "in a meadow", "on the grass", "on green grass", "in a field", "in the fields", "on green hills",
        "on a meadow", "on the prairie", "in the countryside", "on a green field", "on a lawn",
        "in a green valley", "on farmland", "in a pasture", "in a grassy field", "on grassland",
        "among green hills", "in the grass", "in a field of flowers", "on a green meadow",
        "in the green hills", "on a grassy plain", "in the rolling hills",
    ),
    "desert": (
        "in the desert", "in the desert", "on the sand", "among the dunes", "on sand dunes", "in the sand",
        "in the sahara", "on a sandy plain", "on dry land", "in a sandy desert", "in the dunes",
        "in a dry desert", "on a sandy field", "in the hot desert", "between sand dunes", "in a desert",
        "on yellow sand", "in an arid land", "in a sea of sand",
    ),
    "snow": (
        "in the snow", "in the snow", "on snow", "in winter", "on a snowy field", "on a snowy plain",
        "on the ice", "in a winter landscape", "on ice", "in the arctic", "in a snowy landscape",
        "in deep snow", "on a frozen plain", "in a cold winter", "in a field of snow", "on snowy ground",
        "in the winter snow", "in a snowfield", "on a snow-covered field", "covered in snow",
        "in a snowy meadow", "on snowy hills", "on white snow",
    ),
}
GROUND_WORDS: Forms = {
    "sea": (
        "sea", "ocean", "lake", "water", "waves", "coast", "seascape", "calm sea", "open sea", "bay",
        "shore", "blue water", "seaside", "beach", "the ocean",
    ),
    "meadow": (
        "meadow", "grass", "green field", "field", "green hills", "prairie", "countryside", "pasture",
        "grassland", "flowery meadow", "fields", "hills", "green meadow", "rolling hills", "grassy plain",
    ),
    "desert": (
        "desert", "sand", "dunes", "sand dunes", "sandy desert", "arid land", "sahara", "yellow sand",
        "dry desert", "sandy plain", "hot desert",
    ),
    "snow": (
        "snow", "ice", "snowy field", "winter landscape", "snowfield", "tundra", "snowy ground", "winter",
        "snowy plain", "white snow", "snowy landscape", "snowy hills", "frozen land", "snow everywhere",
        "wintertime", "glacier",
    ),
}
GROUND_ADJECTIVES: Forms = {
    "sea": ("coastal", "seaside", "ocean", "sea", "lake", "marine"),
    "meadow": ("meadow", "grassy", "rural", "prairie", "green", "country"),
    "desert": ("desert", "sandy", "sahara", "dune"),
    "snow": ("snowy", "winter", "icy", "frozen", "arctic", "wintry"),
}
MOUNTAIN_COLOURS: Forms = {
    "purple": ("purple", "purple", "violet", "lilac", "lavender", "mauve"),
    "blue": ("blue", "blue", "azure", "bluish", "deep blue"),
    "green": ("green", "green", "verdant", "mossy", "emerald"),
    "red": ("red", "red", "crimson", "scarlet", "reddish", "rusty"),
    "white": ("white", "white", "snowy", "snow-capped", "snow-covered", "snow capped", "icy"),
    "grey": ("grey", "gray", "rocky", "stony", "grey stone", "ashen"),
}
MOUNTAIN_NOUNS = (
    "mountains", "mountains", "mountains", "peaks", "mountain range", "ridges", "summits", "mountain",
    "high mountains", "distant mountains", "mountain peaks", "alps", "jagged mountains", "tall mountains",
)
NO_MOUNTAINS = (
    "no mountains", "without mountains", "flat horizon", "no mountains at all", "an open horizon",
    "without any mountains",
)
BODY_NOUNS: Forms = {
    "sun": ("sun", "sun", "sun", "big sun", "round sun", "bright sun", "low sun", "glowing sun"),
    "full moon": (
        "full moon", "full moon", "round moon", "big full moon", "whole moon", "bright full moon",
    ),
    "crescent moon": (
        "crescent moon", "crescent moon", "crescent", "half moon", "sickle moon", "thin moon", "new moon",
        "moon crescent", "thin crescent moon",
    ),
}
ANY_MOON = ("moon", "moon", "moon", "bright moon", "shining moon")
BODY_COLOURS: Forms = {
    "white": ("white", "white", "pale", "silver", "silvery"),
    "yellow": ("yellow", "yellow", "golden", "bright yellow", "gold"),
    "orange": ("orange", "orange", "amber", "deep orange"),
    "red": ("red", "red", "crimson", "scarlet", "blood-red", "blood", "deep red"),
    "blue": ("blue", "blue", "azure", "bluish", "light blue"),
}
NO_BODY = (
    "no sun", "no moon", "no sun and no moon", "without sun or moon", "an empty sky", "without sun",
    "without a moon", "moonless", "no sun or moon",
)
BODY_PLACES: Forms = {
    "left": (
        "on the left", "on the left", "to the left", "at the left", "on the left side", "in the upper left",
        "top left", "at left", "in the left part of the sky", "in the sky on the left",
    ),
    "middle": (
        "in the middle", "in the middle", "in the centre", "in the center", "in the middle of the sky",
        "at the centre", "centred", "straight ahead", "in the top middle", "middle",
    ),
    "right": (
        "on the right", "on the right", "to the right", "at the right", "on the right side",
        "in the upper right", "top right", "at right", "in the right part of the sky",
        "in the sky on the right",
    ),
}
SUBJECT_NOUNS: Forms = {
    "boat": (
        "sailing boat", "sailing boat", "boat", "boat", "sailboat", "ship", "yacht", "vessel",
        "sailing ship", "sloop", "sail boat", "dinghy", "boats", "ships", "sailing boats",
    ),
    "house": (
        "house", "house", "house", "cottage", "cabin", "hut", "home", "farmhouse", "barn", "building",
        "farm", "houses", "chalet", "villa", "cottages",
    ),
    "tree": (
        "tree", "tree", "tree", "oak", "oak tree", "leafy tree", "apple tree", "green tree", "maple tree",
    ),
    "forest": (
        "pine forest", "pine forest", "forest", "pine trees", "pines", "fir trees", "woods", "firs",
        "group of pines", "evergreens", "spruce trees", "conifers", "pine wood", "trees", "pine tree",
        "group of trees",
    ),
    "cactus": (
        "cactus", "cactus", "cactus", "saguaro", "prickly cactus", "green cactus", "saguaro cactus", "cacti",
        "cactuses",
    ),
    "lighthouse": (
        "lighthouse", "lighthouse", "lighthouse", "light house", "beacon", "striped lighthouse",
        "light tower", "red and white lighthouse", "lighthouses",
    ),
    "pyramid": (
        "pyramid", "pyramid", "pyramid", "egyptian pyramid", "stone pyramid", "great pyramid", "pyramids",
    ),
    "tent": ("tent", "tent", "tent", "camping tent", "camp", "campsite", "bivouac", "tents"),
    "windmill": ("windmill", "windmill", "windmill", "mill", "dutch windmill", "wind mill", "windmills"),
    "castle": (
        "castle", "castle", "castle", "fortress", "palace", "fort", "stronghold", "citadel", "stone castle",
        "chateau", "castles",
    ),
}
SUBJECT_COLOURS: Forms = {
    "red": ("red", "red", "crimson", "scarlet", "bright red"),
    "blue": ("blue", "blue", "azure", "dark blue", "bright blue"),
    "yellow": ("yellow", "yellow", "golden", "bright yellow"),
    "white": ("white", "white", "whitewashed", "pure white"),
    "green": ("green", "green", "emerald", "bright green"),
}
SUBJECT_PLACES: Forms = {
    "left": (
        "on the left", "on the left", "on the left", "to the left", "at the left", "on the left side",
        "on the left-hand side", "at left", "left", "in the left corner", "on the far left",
    ),
    "middle": (
        "in the middle", "in the middle", "in the centre", "in the center", "at the centre",
        "in the middle of the picture", "centred", "middle", "center", "in the very middle",
    ),
    "right": (
        "on the right", "on the right", "on the right", "to the right", "at the right", "on the right side",
        "on the right-hand side", "at right", "right", "in the right corner", "on the far right",
    ),
}
NO_SUBJECT = (
    "nothing else", "no buildings", "an empty landscape", "nobody there", "no houses and no trees",
    "and nothing else", "empty scenery",
)
SIZE_WORDS = (
    "small", "little", "lonely", "old", "tiny", "big", "lone", "pretty", "large", "distant", "single",
    "beautiful", "quiet", "tall", "ancient", "solitary",
)
LANDSCAPE_WORDS = ("landscape", "scene", "view", "scenery", "picture", "panorama", "background", "horizon")
PREFIXES = (
    "a painting of", "a beautiful painting of", "a picture of", "an image of", "a photo of", "draw",
    "please draw", "a drawing of", "illustration of", "a scene with", "a landscape with", "a view of",
    "digital art of", "show me", "paint me", "i want", "an oil painting of", "a poster of", "imagine",
    "watercolour of", "landscape:", "a calm picture of", "a postcard of", "concept art of",
    "flat vector art of", "generate", "minimalist illustration of", "i would like to see",
)
SUFFIXES = (
    "highly detailed", "4k", "8k", "masterpiece", "best quality", "trending on artstation", "beautiful",
    "minimalist", "flat style", "vector art", "digital art", "peaceful", "dramatic lighting", "very pretty",
    "oil on canvas", "high resolution", "calm mood", "wallpaper", "sharp focus",
    "in the style of an old poster", "cinematic", "ultra hd", "soft colours", "concept art", "landscape",
    "wide angle", "thank you", "lovely", "dreamy", "realistic", "nice",
)
STRAY_WORDS = (
    "cat", "dog", "robot", "bicycle", "dragon", "people", "happy", "story", "music", "friend", "car", "bird",
    "birds", "piano", "quietly", "magic", "cloud", "holiday", "summer", "wonderful", "strange", "alone",
    "silence", "dream", "fish", "stone", "window", "road", "path", "wind", "fog", "grandmother", "astronaut",
    "apple", "flying", "walking", "standing", "very",
)
