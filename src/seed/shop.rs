//! What is for sale in the demo shop, and who sells it.

/// A business.
pub(super) struct Business {
    pub(super) name: &'static str,
    pub(super) city: &'static str,
    pub(super) country: &'static str,
    pub(super) phone: &'static str,
    pub(super) about: &'static str,
    /// The user name of its owner.
    pub(super) owner: &'static str,
    pub(super) currency: &'static str,
    /// The beginning of its SKUs.
    pub(super) prefix: &'static str,
    pub(super) products: &'static [Product],
}

/// A product.
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// In the minor unit of the business's currency.
    pub(super) price_minor: i64,
    /// In basis points.
    pub(super) discount: Option<i32>,
    pub(super) about: &'static str,
    /// What its variants differ in, and how; none means that there is one only.
    pub(super) variants: Option<(&'static str, &'static [&'static str])>,
}

/// Slug, name, and the slug of the category above; parents first.
pub(super) const CATEGORIES: [(&str, &str, Option<&str>); 15] = [
    ("home", "Home", None),
    ("furniture", "Furniture", Some("home")),
    ("lighting", "Lighting", Some("home")),
    ("textiles", "Textiles", Some("home")),
    ("kitchen", "Kitchen", None),
    ("tableware", "Tableware", Some("kitchen")),
    ("tea-coffee", "Tea and coffee", Some("kitchen")),
    ("clothing", "Clothing", None),
    ("shirts", "Shirts", Some("clothing")),
    ("outerwear", "Outerwear", Some("clothing")),
    ("accessories", "Accessories", Some("clothing")),
    ("paper", "Paper", None),
    ("notebooks", "Notebooks", Some("paper")),
    ("writing", "Pens and ink", Some("paper")),
    ("gifts", "Gifts", None),
];

const fn product(
    name: &'static str,
    category: &'static str,
    price_minor: i64,
    about: &'static str,
    variants: Option<(&'static str, &'static [&'static str])>,
) -> Product {
    Product { name, category, price_minor, discount: None, about, variants }
}

const fn reduced(discount: i32, product: Product) -> Product {
    Product { discount: Some(discount), ..product }
}

type Variants = Option<(&'static str, &'static [&'static str])>;
const WOODS: Variants = Some(("wood", &["Oak", "Walnut"]));
const SIZES: Variants = Some(("size", &["S", "M", "L", "XL"]));
const GLAZES: Variants = Some(("glaze", &["White", "Celadon", "Indigo"]));
const RULINGS: Variants = Some(("ruling", &["Plain", "Lined", "Dotted"]));
const COLOURS: Variants = Some(("colour", &["Sand", "Moss", "Night"]));

pub(super) const BUSINESSES: [Business; 4] = [
    Business {
        name: "Nordlicht Home",
        city: "Hamburg",
        country: "DE",
        phone: "+494012345670",
        about: "Furniture and lamps made near the sea, meant to be repaired.",
        owner: "sam",
        currency: "EUR",
        prefix: "NOR",
        products: &[
            product("Writing desk", "furniture", 64_900, "A desk with one drawer and room for two elbows.", WOODS),
            product("Dining table", "furniture", 119_000, "Seats six, eight if they like each other.", WOODS),
            product("Bench", "furniture", 32_900, "Solid wood, oiled twice.", WOODS),
            reduced(1_500, product("Three-legged stool", "furniture", 12_900, "Stands on every floor.", WOODS)),
            product("Book shelf", "furniture", 48_900, "Five boards, no visible screws.", WOODS),
            product("Brass lamp", "lighting", 18_900, "A reading lamp that gets better with age.", None),
            product(
                "Paper lantern",
                "lighting",
                5_900,
                "Soft light from washi paper.",
                Some(("diameter", &["30 cm", "45 cm"])),
            ),
            reduced(2_000, product("Dimmable bulb", "lighting", 1_450, "Warm light, 806 lumen.", None)),
            product("Wool blanket", "textiles", 14_900, "Woven from the wool of heath sheep.", COLOURS),
            product("Linen curtain", "textiles", 8_900, "Unbleached linen, hemmed by hand.", COLOURS),
            product("Cushion cover", "textiles", 3_400, "Fits fifty by fifty.", COLOURS),
        ],
    },
    Business {
        name: "Saigon Ceramics",
        city: "Ho Chi Minh City",
        country: "VN",
        phone: "+84901234567",
        about: "A family kiln since 1974. Every piece is thrown by hand.",
        owner: "mai",
        currency: "VND",
        prefix: "SGC",
        products: &[
            product("Tea cup", "tea-coffee", 129_000, "Holds what one person drinks.", GLAZES),
            product("Tea pot", "tea-coffee", 690_000, "Pours without dripping; we tested.", GLAZES),
            product("Coffee dripper", "tea-coffee", 320_000, "For slow mornings.", GLAZES),
            reduced(
                1_000,
                product("Phin filter cup", "tea-coffee", 210_000, "With a saucer that catches the rest.", None),
            ),
            product("Rice bowl", "tableware", 99_000, "Stacks neatly.", GLAZES),
            product("Soup bowl", "tableware", 159_000, "For pho, wide enough for two chopsticks.", GLAZES),
            product("Dinner plate", "tableware", 189_000, "Twenty-six centimetres.", GLAZES),
            product("Serving platter", "tableware", 450_000, "For the middle of the table.", None),
            product("Salt cellar", "tableware", 119_000, "With a lid that stays on.", None),
            product("Bud vase", "gifts", 175_000, "One flower is enough.", GLAZES),
            reduced(2_500, product("Second-choice set", "gifts", 890_000, "Small faults, full use: six pieces.", None)),
        ],
    },
    Business {
        name: "Cedar & Salt",
        city: "Portland",
        country: "US",
        phone: "+15035550142",
        about: "Clothes for weather.",
        owner: "sam",
        currency: "USD",
        prefix: "CED",
        products: &[
            product("Oxford shirt", "shirts", 7_800, "Heavy cotton, mother-of-pearl buttons.", SIZES),
            product("Linen shirt", "shirts", 9_200, "Washed, so that it need not be ironed.", SIZES),
            reduced(3_000, product("Flannel shirt", "shirts", 8_400, "Brushed on both sides.", SIZES)),
            product("Plain T-shirt", "shirts", 3_200, "Two hundred and twenty grams.", SIZES),
            product("Rain jacket", "outerwear", 21_000, "Taped seams, a hood with a brim.", SIZES),
            product("Work jacket", "outerwear", 16_500, "Four pockets and a fifth for a pencil.", SIZES),
            product("Wool sweater", "outerwear", 14_000, "Knitted in one piece.", SIZES),
            product("Watch cap", "accessories", 2_800, "Covers both ears.", COLOURS),
            product(
                "Leather belt",
                "accessories",
                6_500,
                "One hide, one buckle.",
                Some(("length", &["85 cm", "95 cm", "105 cm"])),
            ),
            product("Canvas tote", "accessories", 3_800, "Carries twenty kilos; we tried.", COLOURS),
            reduced(5_000, product("Odd socks", "accessories", 1_200, "A pair that never matched.", None)),
        ],
    },
    Business {
        name: "Koto Paper",
        city: "Kyoto",
        country: "JP",
        phone: "+81755550123",
        about: "Paper, and what marks it.",
        owner: "mai",
        currency: "JPY",
        prefix: "KOT",
        products: &[
            product("Pocket notebook", "notebooks", 880, "Sixty-four pages, sewn.", RULINGS),
            product("Field notebook", "notebooks", 1_250, "A cover that survives rain.", RULINGS),
            product("Desk diary", "notebooks", 3_400, "A page for every day, and no days named.", None),
            product("Letter paper", "notebooks", 1_600, "Thirty sheets and ten envelopes.", None),
            product(
                "Fountain pen",
                "writing",
                14_800,
                "A gold nib, ground twice.",
                Some(("nib", &["Fine", "Medium", "Broad"])),
            ),
            product("Ballpoint pen", "writing", 2_200, "Brass, refillable.", None),
            reduced(
                1_000,
                product(
                    "Bottle of ink",
                    "writing",
                    2_640,
                    "Forty millilitres.",
                    Some(("ink", &["Pine", "Plum", "Soot"])),
                ),
            ),
            product("Brush pen", "writing", 990, "Soft tip, pigment ink.", None),
            product("Paper weight", "gifts", 4_500, "River stone, polished on one side.", None),
            product("Gift wrap", "gifts", 700, "Three sheets, block printed.", Some(("pattern", &["Waves", "Cranes"]))),
            product("Calendar", "gifts", 1_980, "Twelve woodcuts.", None),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_has_a_category_and_every_category_comes_after_its_parent() {
        let known = |slug: &str, before: usize| CATEGORIES.iter().take(before).any(|(each, ..)| *each == slug);
        for (at, (slug, _, parent)) in CATEGORIES.iter().enumerate() {
            assert!(parent.is_none_or(|parent| known(parent, at)), "{slug}");
        }
        let products: Vec<_> = BUSINESSES.iter().flat_map(|business| business.products).collect();
        assert!(products.len() >= 40, "{}", products.len());
        for product in products {
            assert!(known(product.category, CATEGORIES.len()), "{}", product.name);
        }
    }
}
